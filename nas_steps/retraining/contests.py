"""Compare each strategy with random search, no search, the largest network and the best baseline. Imports no torch."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from scipy import stats

from nas_steps.provenance.files import write_csv
from nas_steps.retraining import summary
from nas_steps.retraining.comparison import FEWEST_PAIRS, PAIRED, adjust, best_weights, paired
from nas_steps.retraining.summary import Metrics, accuracies, by_entry, mean_of, needed, sound, strategy_of, tested

SEARCHES = ("searches_low", "searches_high", "searches_p")
CONTESTS = (
    "strategy", "against", "role", "of", "k", "searches", "pairs", *PAIRED[:-1], "p_holm", "p_flips_holm", *SEARCHES,
    "note",
)  # fmt: skip

#: entry -> its sound trainings, of a strategy or an opponent
Side = Mapping[str, Sequence[Metrics]]


def write_tables(trainings: Sequence[Metrics], folder: Path) -> None:
    """Write retrained.csv, summary.csv, comparisons.csv and contests.csv into a folder."""
    trainings = needed(trainings)
    rows = [{key: metrics[key] for key in summary.RETRAINED} for metrics in trainings]
    write_csv(folder / "retrained.csv", rows, summary.RETRAINED)
    write_csv(folder / "summary.csv", summary.summarise(trainings), summary.SUMMARY)
    write_csv(folder / "comparisons.csv", summary.compare(trainings), summary.COMPARISONS)
    write_csv(folder / "contests.csv", contests(trainings), CONTESTS)


def contests(trainings: Sequence[Metrics]) -> list[dict[str, Any]]:
    """Return a row for each strategy, opponent and way to take several winners as one, paired over training seeds.

    `mean` is the mean of all winners; `best` the expected test accuracy of the best of k winners by mean validation
    accuracy, k being the smaller number of searches of both sides. Pairs speak of these winners when trained again.
    searches_low, searches_high and searches_p speak of other searches: Welch's interval and test of the winners' means,
    from FEWEST_PAIRS searches of both sides on, for `mean` only. Holm adjusts over rows of the same `role` and `of`.
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
    rows = [
        {"strategy": strategy, "against": against, "role": role}
        | _contest(_sound(entries, names), _sound(entries, theirs), of, remark)
        for (kind, strategy), names in sides.items()
        if kind == "searched"
        for against, role, theirs, remark in opponents
        for of in ("mean", "best")
    ]
    adjust(rows, ["of", "role"], p_value="p_holm", p_flips="p_flips_holm")
    return rows


def best_baseline(entries: Side) -> tuple[str, str]:
    """Return the best baseline, empty if none was trained, and a remark on how it was chosen."""
    known = _sound(entries, [name for name, mine in entries.items() if mine[0]["kind"] == "baseline"])
    valid = {name: mean_of(mine, "valid_accuracy") for name, mine in known.items()}
    best, by_validation = best_by_validation(valid, {name: fmean(tested(mine)) for name, mine in known.items()})
    return best, "" if by_validation else "the baseline was chosen by test accuracy"


def best_by_validation(valid: Mapping[str, float | None], test: Mapping[str, float]) -> tuple[str, bool]:
    """Name the best by validation accuracy, by test accuracy if none is known; say as well which. Empty if none."""
    judged = {name: value for name, value in valid.items() if value is not None and not math.isnan(value)}
    figures = judged or test
    return max(figures, key=lambda name: figures[name], default=""), bool(judged)


def _sound(entries: Side, names: Sequence[str]) -> dict[str, list[Metrics]]:
    return {name: ok for name in names if (ok := sound(entries[name]))}


def _contest(ours: Side, theirs: Side, of: str, remark: str) -> dict[str, Any]:
    k = min(len(ours), len(theirs))
    row: dict[str, Any] = {"of": of, "k": k, "searches": f"{len(ours)} against {len(theirs)}", "pairs": 0}
    row |= dict.fromkeys(SEARCHES, math.nan)
    weights = [_weights(side, k, of) for side in (ours, theirs)]
    if k == 0:
        row |= paired([])
    elif any(weight is None for weight in weights):
        row |= {**paired([]), "note": "not every winner has a validation accuracy to choose the best by"}
    else:
        mine, other = (_by_seed(side, weight or []) for side, weight in zip((ours, theirs), weights, strict=True))
        differences = [mine[seed] - other[seed] for seed in sorted(mine.keys() & other.keys())]
        row |= {"pairs": len(differences), **paired(differences)}
        if of == "mean":
            row |= _between_searches(ours, theirs)
    return row | {"note": "; ".join(filter(None, (row["note"], remark)))}


def _weights(side: Side, k: int, of: str) -> list[float] | None:
    """Return each winner's weight; None if the best cannot be chosen."""
    if not side or k == 0:
        return []
    if of == "mean" or len(side) == 1:
        return [1 / len(side)] * len(side)
    fitness = [mean_of(mine, "valid_accuracy") for mine in side.values()]
    return None if any(map(math.isnan, fitness)) else best_weights(fitness, k)


def _by_seed(side: Side, weights: Sequence[float]) -> dict[int, float]:
    """Return the weighted accuracy by training seed, for seeds with a sound training of every winner that counts."""
    tables = [(weight, accuracies(mine)) for weight, mine in zip(weights, side.values(), strict=True) if weight > 0]
    shared = set.intersection(*(set(table) for _, table in tables))
    return {seed: math.fsum(weight * table[seed] for weight, table in tables) for seed in shared}


def _between_searches(ours: Side, theirs: Side) -> dict[str, float]:
    """Return Welch's 95 % interval and p-value of the difference between the winners' mean accuracies."""
    means = [[fmean(tested(mine)) for mine in side.values()] for side in (ours, theirs)]
    if min(map(len, means)) < FEWEST_PAIRS or max(max(side) - min(side) for side in means) == 0:
        return {}
    test = stats.ttest_ind(*means, equal_var=False)
    interval = test.confidence_interval(0.95)
    return dict(zip(SEARCHES, map(float, (interval.low, interval.high, test.pvalue)), strict=True))
