"""Choose the candidates that are trained anew. Imports no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_steps.provenance.files import read_csv

COLUMNS = ("index", "architecture", "strategy", "kind", "search_seed", "search_rank", "search_score", "estimator")


def shortlist(
    candidates: Mapping[tuple[str, int], Sequence[Mapping[str, str]]], kinds: Mapping[str, str], best: int
) -> list[dict[str, Any]]:
    """Return the `best` candidates of each (strategy, search seed). `index` numbers the different architectures."""
    indices: dict[str, int] = {}
    return [
        {
            "index": indices.setdefault(candidate["architecture"], len(indices)),
            "architecture": candidate["architecture"],
            "strategy": strategy,
            "kind": kind_of(strategy, kinds),
            "search_seed": seed,
            "search_rank": int(candidate["rank"]),
            "search_score": float(candidate["score"]),
            "estimator": candidate["estimator"],
        }
        for (strategy, seed), proposed in candidates.items()
        for candidate in proposed[:best]
    ]


def kind_of(strategy: str, kinds: Mapping[str, str]) -> str:
    """Return the kind of entry that a strategy's winner is: random or searched."""
    return "random" if kinds[strategy] == "random" else "searched"


def read_candidates(paths: Sequence[str | Path]) -> dict[tuple[str, int], list[dict[str, str]]]:
    """Read the candidates.csv of searches, by strategy and search seed, which the names of their folders say."""
    found = {}
    for path in paths:
        strategy, _, seed = Path(path).parent.name.rpartition("-")
        found[strategy, int(seed)] = read_csv(path)
    return found
