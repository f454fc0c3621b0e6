"""The winners of searches in a benchmark's table, and whether what they were told ranks as what is reported does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nas_steps.estimation.table import Benchmark
from nas_steps.ranking.rank import kendall

#: candidates of one search, best first: architecture and score
Candidates = Sequence[Mapping[str, str]]


def winners(searches: Mapping[tuple[str, int], Candidates], kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """The best candidate of each search."""
    return [
        {
            "entry": f"{strategy}-{seed}",
            "kind": "random" if kinds[strategy] == "random" else "searched",
            "strategy": strategy,
            "search_seed": seed,
            "architecture": found[0]["architecture"],
            "score": float(found[0]["score"]),
        }
        for (strategy, seed), found in searches.items()
    ]


def agreements(searches: Mapping[tuple[str, int], Candidates], column: str, table: Benchmark) -> list[dict[str, Any]]:
    """Kendall's tau of what a strategy was told with what is reported: of all that its searches evaluated, and of all
    that any did."""
    groups: dict[str, dict[str, None]] = {}
    for (strategy, _), found in searches.items():
        for name in (strategy, "all"):
            groups.setdefault(name, {}).update(dict.fromkeys(row["architecture"] for row in found))
    return [
        {
            "strategy": name,
            "estimator": column,
            "architectures": len(groups[name]),
            **kendall([table.search(one) for one in groups[name]], [table.report(one) for one in groups[name]]),
        }
        for name in sorted(groups, key=lambda name: name == "all")
    ]


def budget(
    searches: Mapping[tuple[str, int], Candidates], kinds: Mapping[str, str], table: Benchmark
) -> dict[str, Any]:
    """What each strategy evaluated, and what the table has: its best by either column."""
    evaluations = {strategy: len(found) for (strategy, _), found in searches.items()}
    reference = next(evaluations[name] for name, kind in kinds.items() if kind == "random")
    best = max(table.architectures(), key=table.search)
    return {
        "unit": "evaluations",
        "supernet_macs": None,
        "candidate_macs": None,
        "matched_to": None,
        "table": {
            "architectures": len(table),
            "best_search": table.search(best),
            "report_of_best_search": table.report(best),
            "best_report": max(map(table.report, table.architectures())),
            "mean_report": math.fsum(map(table.report, table.architectures())) / len(table),
        },
        "strategies": {
            name: {
                "kind": kind,
                "evaluations": evaluations[name],
                "training_macs": None,
                "relative": evaluations[name] / reference,
            }
            for name, kind in kinds.items()
        },
    }
