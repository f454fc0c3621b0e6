"""The ranked list, its agreement with the search's scores, and each search's winner. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from scipy import stats

from nas_steps.estimation.estimates import Estimate
from nas_steps.ranking.correlation import correlation

RANKED = (
    "rank",
    "index",
    "architecture",
    "score",
    "std",
    "trainings",
    "status",
    "proposed_by",
    "parameters",
    "macs",
)
AGREEMENT = ("strategy", "estimator", "architectures", "kendall_tau", "low", "high", "p_value", "note")
WINNERS = ("entry", "kind", "strategy", "search_seed", "architecture", "score")


def ranked(shortlisted: Sequence[Mapping[str, str]], trainings: Sequence[Estimate]) -> list[dict[str, Any]]:
    """One row for each shortlisted architecture, best mean score first; of equals the one with fewer MACs.

    An architecture of which one training diverged counts by the others; without a sound training it comes last.
    """
    proposers: dict[int, list[str]] = {}
    for row in shortlisted:
        proposers.setdefault(int(row["index"]), []).append(f"{row['strategy']}-{row['search_seed']}")
    by_index: dict[int, list[Estimate]] = {}
    for estimate in trainings:
        by_index.setdefault(estimate.index, []).append(estimate)
    rows: list[dict[str, Any]] = []
    for index, estimates in by_index.items():
        scores = [estimate.score for estimate in estimates if math.isfinite(estimate.fitness)]
        rows.append(
            {
                "index": index,
                "architecture": estimates[0].architecture,
                "score": fmean(scores) if scores else math.nan,
                "std": stdev(scores) if len(scores) > 1 else math.nan,
                "trainings": len(scores),
                "status": "ok" if scores else estimates[0].status,
                "proposed_by": " ".join(proposers[index]),
                "parameters": estimates[0].parameters,
                "macs": estimates[0].macs,
            }
        )
    rows.sort(key=lambda row: (-row["score"] if row["trainings"] else math.inf, row["macs"], row["index"]))
    return [{"rank": rank, **row} for rank, row in enumerate(rows, start=1)]


def winners(
    shortlisted: Sequence[Mapping[str, str]], ranking: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The best ranked architecture that each (strategy, search seed) proposed, by entry name.

    An entry none of whose architectures could be trained is left out.
    """
    found: dict[str, dict[str, Any]] = {}
    place = {row["index"]: row for row in ranking if row["trainings"]}
    for row in shortlisted:
        entry = f"{row['strategy']}-{row['search_seed']}"
        mine = place.get(int(row["index"]))
        if mine is None or (entry in found and found[entry]["rank"] <= mine["rank"]):
            continue
        found[entry] = {
            "entry": entry,
            "kind": row["kind"],
            "strategy": row["strategy"],
            "search_seed": row["search_seed"],
            "architecture": row["architecture"],
            "score": mine["score"],
            "rank": mine["rank"],
        }
    return found


def agreement(shortlisted: Sequence[Mapping[str, str]], ranking: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Kendall's tau-b between the search's score and the ranking's, for each strategy and for each estimator used by
    several of them (strategy `all`), with a percentile bootstrap interval (95 %)."""
    score = {row["index"]: row["score"] for row in ranking if row["trainings"]}
    groups: dict[tuple[str, str], dict[int, float]] = {}
    for row in shortlisted:
        if int(row["index"]) in score:
            for strategy in (row["strategy"], "all"):
                pairs = groups.setdefault((strategy, row["estimator"]), {})
                pairs[int(row["index"])] = float(row["search_score"])
    users: dict[str, set[str]] = {}
    for strategy, estimator in groups:
        users.setdefault(estimator, set()).add(strategy)
    rows = []
    for strategy, estimator in sorted(groups, key=lambda key: (key[0] == "all", key)):
        if strategy == "all" and len(users[estimator] - {"all"}) < 2:
            continue
        pairs = groups[strategy, estimator]
        rows.append(
            {
                "strategy": strategy,
                "estimator": estimator,
                "architectures": len(pairs),
                **kendall([pairs[index] for index in pairs], [score[index] for index in pairs]),
            }
        )
    return rows


def kendall(first: Sequence[float], second: Sequence[float]) -> dict[str, Any]:
    """Kendall's tau-b of scores and accuracies with a bootstrap interval; without a figure where `note` says why."""
    found = correlation(second, first, "kendall")
    if found.value is None:
        return {"kendall_tau": math.nan, "low": math.nan, "high": math.nan, "p_value": math.nan, "note": found.note}
    return {
        "kendall_tau": found.value,
        "low": found.low,
        "high": found.high,
        "p_value": float(stats.kendalltau(first, second).pvalue),
        "note": found.note,
    }
