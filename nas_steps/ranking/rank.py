"""Rank the shortlist, compare it with the scores of the searches, and name each search's winner. Imports no torch."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from scipy import stats

from nas_steps.estimation.estimates import Estimate
from nas_steps.ranking.correlation import correlation
from nas_steps.ranking.given_macs import COLUMNS as BEYOND_MACS
from nas_steps.ranking.given_macs import beyond_macs
from nas_steps.ranking.shortlist import WHOLE, within

RANKED = (
    "rank", "index", "architecture", "score", "std", "trainings", "status", "proposed_by", "parameters", "macs"
)  # fmt: skip
AGREEMENT = (
    "strategy", "estimator", "architectures", "kendall_tau", "low", "high", "p_value", "note", *BEYOND_MACS
)  # fmt: skip
WINNERS = ("entry", "kind", "strategy", "search_seed", "architecture", "score")


def ranked(shortlisted: Sequence[Mapping[str, str]], trainings: Sequence[Estimate]) -> list[dict[str, Any]]:
    """Rank the shortlist by the mean of sound trainings (none is last); of equals fewer MACs come first."""
    proposers: dict[int, list[str]] = {}
    for row in shortlisted:
        proposers.setdefault(int(row["index"]), []).append(f"{row['strategy']}-{row['search_seed']}")
    by_index: dict[int, list[Estimate]] = {}
    for estimate in trainings:
        by_index.setdefault(estimate.index, []).append(estimate)
    rows: list[dict[str, Any]] = []
    for index, mine in by_index.items():
        scores = [estimate.score for estimate in mine if math.isfinite(estimate.fitness)]
        line = {"index": index, "architecture": mine[0].architecture, **mean_and_std(scores)}
        line |= {"status": "ok" if scores else mine[0].status, "proposed_by": " ".join(proposers[index])}
        rows.append(line | {"parameters": mine[0].parameters, "macs": mine[0].macs})
    rows.sort(key=lambda row: (-row["score"] if row["trainings"] else math.inf, row["macs"], row["index"]))
    return [{"rank": rank, **row} for rank, row in enumerate(rows, start=1)]


def mean_and_std(scores: Sequence[float], name: str = "score") -> dict[str, Any]:
    """Return the columns `name`, `std` and `trainings` of sound trainings; NaN if there are too few."""
    return {
        name: fmean(scores) if scores else math.nan,
        "std": stdev(scores) if len(scores) > 1 else math.nan,
        "trainings": len(scores),
    }


def winners(shortlisted: Sequence[Mapping[str, str]], ranking: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the best ranked architecture of each (strategy, search seed) that has a trained one."""
    return [
        {"entry": f"{strategy}-{seed}", "kind": row["kind"], "strategy": strategy, "search_seed": seed}
        | {"architecture": row["architecture"], "score": mine["score"]}
        for (strategy, seed, budget), (row, mine) in _best(shortlisted, ranking).items()
        if budget == WHOLE
    ]


def best_within(
    shortlisted: Sequence[Mapping[str, str]],
    ranking: Sequence[Mapping[str, Any]],
    matched: Sequence[Mapping[str, Any]],
) -> dict[tuple[str, int, int], dict[str, Any]]:
    """Return architecture and score of the best ranked one of random search within each of its matched budgets.

    By (random strategy, search seed, number of first evaluations), the whole search's included; one without a trained
    architecture is left out.
    """
    best = _best(shortlisted, ranking)
    found = {}
    for row in matched:
        random, seed, of = row["random"], int(row["search_seed"]), int(row["of"])
        for count in (of, int(row["evaluations"])):
            chosen = best.get((random, seed, WHOLE if count == of else str(count)))
            if chosen is not None:
                found[random, seed, count] = {"architecture": chosen[0]["architecture"], "score": chosen[1]["score"]}
    return found


def _best(
    shortlisted: Sequence[Mapping[str, str]], ranking: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, int, str], tuple[Mapping[str, str], Mapping[str, Any]]]:
    """Return the row and the rank of the best trained one, by strategy, search seed and budget."""
    places = {row["index"]: row for row in ranking if row["trainings"]}
    best: dict[tuple[str, int, str], tuple[Mapping[str, str], Mapping[str, Any]]] = {}
    for row in shortlisted:
        mine = places.get(int(row["index"]))
        for budget in within(row) if mine is not None else []:
            key = row["strategy"], int(row["search_seed"]), budget
            if mine is not None and (key not in best or mine["rank"] < best[key][1]["rank"]):
                best[key] = row, mine
    return best


def agreement(shortlisted: Sequence[Mapping[str, str]], ranking: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the agreement of search and ranking: by strategy, and `all` for an estimator of several strategies."""
    trained = {row["index"]: row for row in ranking if row["trainings"]}
    groups: dict[tuple[str, str], dict[int, float]] = {}
    for row in shortlisted:
        if int(row["index"]) in trained:
            for strategy in (row["strategy"], "all"):
                pairs = groups.setdefault((strategy, row["estimator"]), {})
                pairs[int(row["index"])] = float(row["search_score"])
    users = Counter(estimator for strategy, estimator in groups if strategy != "all")

    def agreed(pairs: Mapping[int, float]) -> dict[str, Any]:
        rows = [trained[index] for index in pairs]
        # a network that could not be built has no size
        macs = [float(row["macs"] or math.nan) for row in rows]
        return {"architectures": len(pairs)} | agree(list(pairs.values()), [row["score"] for row in rows], macs)

    return [
        {"strategy": strategy, "estimator": estimator} | agreed(groups[strategy, estimator])
        for strategy, estimator in sorted(groups, key=lambda key: (key[0] == "all", key))
        if strategy != "all" or users[estimator] > 1
    ]


def agree(scores: Sequence[float], accuracies: Sequence[float], macs: Sequence[float]) -> dict[str, Any]:
    """Return Kendall's tau-b of scores and accuracies, and Spearman's rho beside MACs and given them.

    Intervals are bootstrap ones; a figure is NaN or None if its note says why. `macs` are NaN if not known.
    """
    figure = correlation(accuracies, scores, "kendall")
    beyond = beyond_macs(accuracies, scores, macs)["whole pool"]
    more = beyond.columns()
    if figure.value is None:
        none = dict.fromkeys(("kendall_tau", "low", "high", "p_value"), math.nan)
        return {**none, "note": figure.note, **more}
    p_value = float(stats.kendalltau(scores, accuracies).pvalue)
    ends = {"low": figure.low, "high": figure.high}
    return {"kendall_tau": figure.value, **ends, "p_value": p_value, "note": figure.note, **more}
