"""Which candidates are trained anew. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
