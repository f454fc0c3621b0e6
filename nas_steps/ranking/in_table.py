"""Name the winners of searches in a benchmark's table, and compare its column of search with that of the report."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nas_steps.estimation.table import Benchmark
from nas_steps.ranking.opponents import Spent, best_of_first
from nas_steps.ranking.rank import agree
from nas_steps.ranking.shortlist import Search, kind_of
from nas_steps.search.spent import Line

#: candidates of one search, best first: architecture and score
Candidates = Sequence[Mapping[str, str]]


def winners(searches: Mapping[Search, Candidates], kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the best candidate of each search."""
    return [
        {"entry": f"{strategy}-{seed}", "kind": kind_of(strategy, kinds), "strategy": strategy, "search_seed": seed}
        | {"architecture": candidates[0]["architecture"], "score": float(candidates[0]["score"])}
        for (strategy, seed), candidates in searches.items()
    ]


def best_within(
    matched: Sequence[Mapping[str, Any]], histories: Mapping[Search, Sequence[Line]], table: Benchmark
) -> dict[tuple[str, int, int], dict[str, Any]]:
    """Return the best of random search within each of its matched budgets, by its column of search.

    By (random strategy, search seed, number of first evaluations): architecture and score.
    """
    found = {}
    for row in matched:
        random, seed = row["random"], int(row["search_seed"])
        for count in (int(row["of"]), int(row["evaluations"])):
            for name in best_of_first(histories[random, seed], count)[:1]:
                found[random, seed, count] = {"architecture": name, "score": table.search(name)}
    return found


def spent_by(history: Sequence[Line]) -> Spent:
    """Return what a search in a table cost: its evaluations, and no multiply-accumulates."""
    return Spent(math.nan, (math.nan,) * len(history))


def agreements(searches: Mapping[Search, Candidates], column: str, table: Benchmark) -> list[dict[str, Any]]:
    """Return Kendall's tau of the two columns for the candidates of each strategy, and for those of all of them."""
    groups: dict[str, dict[str, None]] = {}
    for (strategy, _), candidates in searches.items():
        for name in (strategy, "all"):
            groups.setdefault(name, {}).update(dict.fromkeys(row["architecture"] for row in candidates))

    def agreed(names: Mapping[str, None]) -> dict[str, Any]:
        # a table holds no sizes of networks
        unknown = [math.nan] * len(names)
        return agree([table.search(one) for one in names], [table.report(one) for one in names], unknown)

    return [
        {"strategy": name, "estimator": column, "architectures": len(groups[name])} | agreed(groups[name])
        for name in sorted(groups, key=lambda name: name == "all")
    ]


def budget(searches: Mapping[Search, Candidates], kinds: Mapping[str, str], table: Benchmark) -> dict[str, Any]:
    """Return each strategy's evaluations, and the table's best by either column."""
    evaluations = {strategy: len(candidates) for (strategy, _), candidates in searches.items()}
    reference = next(evaluations[name] for name, kind in kinds.items() if kind == "random")
    best = max(table.architectures(), key=table.search)
    reported = [table.report(one) for one in table.architectures()]
    return {
        "unit": "evaluations",
        **dict.fromkeys(("supernet_macs", "candidate_macs", "matched_to")),
        "table": {
            "architectures": len(table),
            "best_search": table.search(best),
            "report_of_best_search": table.report(best),
            "best_report": max(reported),
            "mean_report": math.fsum(reported) / len(table),
        },
        "strategies": {
            name: {"kind": kind, "evaluations": evaluations[name], "training_macs": None}
            | {"relative": evaluations[name] / reference}
            for name, kind in kinds.items()
        },
    }
