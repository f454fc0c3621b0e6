"""Each strategy as a whole against random search, no search, the largest network and the best baseline. Imports no
torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from scipy import stats

from nas_steps.intervals import holm
from nas_steps.provenance.files import write_csv
from nas_steps.retraining import summary
from nas_steps.retraining.comparison import FEWEST_PAIRS, PAIRED, best_weights, paired
from nas_steps.retraining.summary import Metrics, by_entry, strategy_of

CONTESTS = (
    "strategy",
    "against",
    "role",
    "of",
    "k",
    "searches",
    "pairs",
    *PAIRED[:-1],
    "p_holm",
    "p_flips_holm",
    "searches_low",
    "searches_high",
    "searches_p",
    "note",
)

#: training seed -> test accuracy, of one entry
Accuracies = Mapping[int, float]


def contests(trainings: Sequence[Metrics]) -> list[dict[str, Any]]:
    """A row for each strategy, opponent and way to take several winners as one, paired over training seeds.

    `mean` is the mean of all winners. `best` is what a user gets who runs k searches and keeps the winner with the best
    mean validation accuracy: its expected test accuracy over all choices of k winners, where k is the smaller number
    of searches of the two sides, so that neither is favoured. Test accuracy chooses nothing. The opponents are each
    random strategy, the uniformly drawn architectures, the largest network, and the best baseline by validation
    accuracy (by test accuracy where none has one, told in `note`).

    The pairs say how the winners at hand compare when trained again. How other searches would do is said by
    searches_low, searches_high and searches_p: Welch's interval and test of the winners' mean accuracies, from
    FEWEST_PAIRS searches of both sides on, for `mean` only. p_holm and p_flips_holm are Holm's adjustments over the
    strategies: over all rows of the same `role` and `of`.
    """
    entries = by_entry(trainings)
    sides: dict[tuple[str, str], list[str]] = {}
    for name, mine in entries.items():
        if mine[0]["kind"] in ("searched", "random", "uniform", "largest"):
            sides.setdefault((mine[0]["kind"], strategy_of(mine[0])), []).append(name)
    opponents = [
        (strategy or kind, kind, names, "")
        for role in ("random", "uniform", "largest")
        for (kind, strategy), names in sides.items()
        if kind == role
    ]
    baseline, remark = best_baseline(entries)
    if baseline:
        opponents.append((baseline, "baseline", [baseline], remark))
    rows = []
    for (kind, strategy), names in sides.items():
        if kind != "searched":
            continue
        for against, role, theirs, remark in opponents:
            head = {"strategy": strategy, "against": against, "role": role}
            rows += [{**head, **row} for row in _contest(_sound(entries, names), _sound(entries, theirs), remark)]
    for family in {(row["of"], row["role"]) for row in rows}:
        among = [row for row in rows if (row["of"], row["role"]) == family]
        for key, target in (("p_value", "p_holm"), ("p_flips", "p_flips_holm")):
            for row, adjusted in zip(among, holm([row[key] for row in among]), strict=True):
                row[target] = adjusted
    return rows


def best_baseline(entries: Mapping[str, Sequence[Metrics]]) -> tuple[str, str]:
    """The baseline to measure against and a remark on how it was chosen; empty where none was trained."""
    known = _sound(entries, [name for name, mine in entries.items() if mine[0]["kind"] == "baseline"])
    valid = {name: validation(mine) for name, mine in known.items()}
    judged = {name: value for name, value in valid.items() if not math.isnan(value)}
    if judged:
        return max(judged, key=lambda name: judged[name]), ""
    tested = {name: fmean(metrics["test_accuracy"] for metrics in mine) for name, mine in known.items()}
    return max(tested, key=lambda name: tested[name], default=""), "the baseline was chosen by test accuracy"


def validation(trainings: Sequence[Metrics]) -> float:
    """Mean validation accuracy; NaN where no training has one."""
    known = [metrics["valid_accuracy"] for metrics in trainings if metrics["valid_accuracy"] is not None]
    return fmean(known) if known else math.nan


def _sound(entries: Mapping[str, Sequence[Metrics]], names: Sequence[str]) -> dict[str, list[Metrics]]:
    """The sound trainings of those entries that have any."""
    sound = {name: [metrics for metrics in entries[name] if metrics["status"] == "ok"] for name in names}
    return {name: mine for name, mine in sound.items() if mine}


def _contest(
    ours: Mapping[str, Sequence[Metrics]], theirs: Mapping[str, Sequence[Metrics]], remark: str
) -> list[dict[str, Any]]:
    k = min(len(ours), len(theirs))
    searches = f"{len(ours)} against {len(theirs)}"
    rows = []
    for of in ("mean", "best"):
        row: dict[str, Any] = {"of": of, "k": k, "searches": searches, "pairs": 0, **_between_searches({}, {})}
        weights = [_weights(side, k, of) for side in (ours, theirs)]
        if not ours or not theirs:
            row |= paired([])
        elif any(weight is None for weight in weights):
            row |= {**paired([]), "note": "not every winner has a validation accuracy to choose the best by"}
        else:
            mine, other = (_by_seed(side, weight or []) for side, weight in zip((ours, theirs), weights, strict=True))
            differences = [mine[seed] - other[seed] for seed in sorted(mine.keys() & other.keys())]
            row |= {"pairs": len(differences), **paired(differences)}
            if of == "mean":
                row |= _between_searches(ours, theirs)
        row["note"] = "; ".join(part for part in (row["note"], remark) if part)
        rows.append(row)
    return rows


def _weights(side: Mapping[str, Sequence[Metrics]], k: int, of: str) -> list[float] | None:
    """What each winner counts; None where the best cannot be chosen."""
    if not side or k == 0:
        return []
    if of == "mean" or len(side) == 1:
        return [1 / len(side)] * len(side)
    merits = [validation(mine) for mine in side.values()]
    return None if any(math.isnan(fitness) for fitness in merits) else best_weights(merits, k)


def _by_seed(side: Mapping[str, Sequence[Metrics]], weights: Sequence[float]) -> dict[int, float]:
    """Weighted accuracy for each training seed with which every winner that counts was trained soundly."""
    tables: list[tuple[float, Accuracies]] = [
        (weight, {metrics["seed"]: metrics["test_accuracy"] for metrics in mine})
        for weight, mine in zip(weights, side.values(), strict=True)
        if weight > 0
    ]
    shared = set.intersection(*(set(table) for _, table in tables))
    return {seed: math.fsum(weight * table[seed] for weight, table in tables) for seed in shared}


def _between_searches(
    ours: Mapping[str, Sequence[Metrics]], theirs: Mapping[str, Sequence[Metrics]]
) -> dict[str, float]:
    """Welch's 95 % interval and p-value of the difference between the winners' mean accuracies."""
    means = [[fmean(metrics["test_accuracy"] for metrics in mine) for mine in side.values()] for side in (ours, theirs)]
    unknown = {"searches_low": math.nan, "searches_high": math.nan, "searches_p": math.nan}
    if min(map(len, means)) < FEWEST_PAIRS or max(max(side) - min(side) for side in means) == 0:
        return unknown
    found = stats.ttest_ind(*means, equal_var=False)
    interval = found.confidence_interval(0.95)
    return {
        "searches_low": float(interval.low),
        "searches_high": float(interval.high),
        "searches_p": float(found.pvalue),
    }


def write_tables(trainings: Sequence[Metrics], folder: Path) -> None:
    """Write retrained.csv, summary.csv, comparisons.csv and contests.csv of all trainings into `folder`."""
    rows = [{key: metrics[key] for key in summary.RETRAINED} for metrics in trainings]
    write_csv(folder / "retrained.csv", rows, summary.RETRAINED)
    write_csv(folder / "summary.csv", summary.summarise(trainings), summary.SUMMARY)
    write_csv(folder / "comparisons.csv", summary.compare(trainings), summary.COMPARISONS)
    write_csv(folder / "contests.csv", contests(trainings), CONTESTS)
