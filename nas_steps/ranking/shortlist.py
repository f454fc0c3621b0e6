"""Choose the candidates that are trained anew. Imports no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_steps.provenance.files import read_csv

COLUMNS = (
    "index", "architecture", "strategy", "kind", "search_seed", "search_rank", "search_score", "estimator", "within",
)  # fmt: skip
#: the name of a whole search among the budgets of a row; the others are numbers of its first evaluations
WHOLE = "all"

#: a strategy and its search seed
Search = tuple[str, int]


def shortlist(
    candidates: Mapping[Search, Sequence[Mapping[str, str]]],
    kinds: Mapping[str, str],
    best: int,
    smaller: Mapping[Search, Mapping[int, Sequence[str]]] | None = None,
) -> list[dict[str, Any]]:
    """Return the `best` candidates of each search, and of each `smaller` budget of it, each once.

    `smaller` has the architectures within a number of first evaluations, best first. Some of them may be no candidates
    any more, since a longer training of theirs gave no score. `index` numbers the different architectures; `within`
    names the budgets of which a row is among the best.
    """
    indices: dict[str, int] = {}
    rows = []
    for search, proposed in candidates.items():
        known = {candidate["architecture"] for candidate in proposed}
        chosen = {WHOLE: [candidate["architecture"] for candidate in proposed[:best]]}
        for count, names in (smaller or {}).get(search, {}).items():
            chosen[str(count)] = [name for name in names if name in known][:best]
        for candidate in proposed:
            name = candidate["architecture"]
            if budgets := [budget for budget, names in chosen.items() if name in names]:
                row: dict[str, Any] = {"architecture": name, "strategy": search[0], "kind": kind_of(search[0], kinds)}
                row |= {"index": indices.setdefault(name, len(indices)), "search_seed": search[1]}
                row |= {"search_rank": int(candidate["rank"]), "search_score": float(candidate["score"])}
                rows.append(row | {"estimator": candidate["estimator"], "within": " ".join(budgets)})
    return rows


def within(row: Mapping[str, str]) -> list[str]:
    """Return the budgets of which a row of shortlist.csv is among the best."""
    return row["within"].split()


def kind_of(strategy: str, kinds: Mapping[str, str]) -> str:
    """Return the kind of entry that a strategy's winner is: random or searched."""
    return "random" if kinds[strategy] == "random" else "searched"


def read_searches(paths: Sequence[str | Path]) -> dict[Search, list[dict[str, str]]]:
    """Read a file of each search, by strategy and search seed, which the names of their folders say."""
    return {search_of(path): read_csv(path) for path in paths}


def search_of(path: str | Path) -> Search:
    """Return the strategy and the search seed of a file in a search's folder."""
    strategy, _, seed = Path(path).parent.name.rpartition("-")
    return strategy, int(seed)
