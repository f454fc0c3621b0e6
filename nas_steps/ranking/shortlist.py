"""Which candidates are trained anew. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_steps.provenance.files import read_csv

COLUMNS = (
    "index",
    "architecture",
    "strategy",
    "kind",
    "search_seed",
    "search_rank",
    "search_score",
    "estimator",
)


def shortlist(
    candidates: Mapping[tuple[str, int], Sequence[Mapping[str, str]]], kinds: Mapping[str, str], best: int
) -> list[dict[str, Any]]:
    """The `best` candidates of each (strategy, search seed), in the order given.

    `index` numbers the different architectures: one that several searches propose is trained once.
    """
    indices: dict[str, int] = {}
    rows = []
    for (strategy, seed), found in candidates.items():
        for candidate in found[:best]:
            architecture = candidate["architecture"]
            rows.append(
                {
                    "index": indices.setdefault(architecture, len(indices)),
                    "architecture": architecture,
                    "strategy": strategy,
                    "kind": "random" if kinds[strategy] == "random" else "searched",
                    "search_seed": seed,
                    "search_rank": int(candidate["rank"]),
                    "search_score": float(candidate["score"]),
                    "estimator": candidate["estimator"],
                }
            )
    return rows


def read_candidates(paths: Sequence[str | Path]) -> dict[tuple[str, int], list[dict[str, str]]]:
    """Read the candidates.csv of searches, by strategy and search seed, which the names of their folders say."""
    found = {}
    for path in paths:
        strategy, _, seed = Path(path).parent.name.rpartition("-")
        found[strategy, int(seed)] = read_csv(path)
    return found
