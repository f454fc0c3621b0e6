"""Measure the effects of search and of scaling, and their interaction: the factorial, paired over repetitions."""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from scipy import stats

from nas_steps.facts import FEWEST_SEARCHES
from nas_steps.intervals import holm, mean_interval
from nas_steps.metrics import figure_of
from nas_steps.scaling.factorial import entry_name

EFFECTS = (
    "kind", "effect", "base", "way", "unit", "seeds", "difference", "low", "high", "p_value", "p_holm", "share", "note"
)  # fmt: skip
#: the fewest seeds for a claim; an interval needs two
FEWEST_SEEDS = 3
#: by unit, the fewest units
FEWEST = {"network": FEWEST_SEEDS, "search": FEWEST_SEARCHES}
#: differences whose spread is below this are the same for every seed
SAME = 1e-12

Cell = tuple[str, str]  # base, way of scaling
#: an effect: the weight of each cell's accuracy
Contrast = Mapping[Cell, float]


def effects(
    bases: Sequence[str],
    ways: Sequence[str],
    trainings: Sequence[Mapping[str, Any]],
    searches: Mapping[int, str] | None = None,
) -> list[dict[str, Any]]:
    """Return every effect in shares of test accuracy: the mean over units with a 95 % t interval and a paired t test.

    `searches` names the search whose winner each repetition scales. If there are such, the unit of a claim is the
    search, and the mean over a search's repetitions is one value. Otherwise all repetitions scale one network, the
    unit is its training, and the column `unit` says `network`.

    search: the searched base minus another, the mean over all ways of scaling
    scaling: a way minus none, the mean over all bases; compound minus the mean of the ways in one dimension
    interaction: the gain from compound scaling of the searched base minus that of the other
    gain: the searched, compound-scaled network minus the other base unscaled; the parts of the factors are averaged
    over both orders of adding them (Shapley 1953); `share` is a part of a gain whose interval excludes 0

    A repetition counts if every cell of an effect has a sound training; Holm's adjustment is over all rows.
    """
    sound = [metrics for metrics in trainings if metrics["status"] == "ok"]
    accuracy = {(metrics["entry"], metrics["seed"]): float(figure_of(metrics, "test")) for metrics in sound}
    seeds = sorted({metrics["seed"] for metrics in trainings})
    unit = "search" if searches else "network"
    units = len({searches[seed] for seed in seeds} if searches else seeds)
    rows: list[dict[str, Any]] = []
    for head, contrast in _contrasts(bases, ways):
        differences: dict[Any, list[float]] = {}
        for seed in seeds:
            if all((entry_name(*cell), seed) in accuracy for cell in contrast):
                difference = math.fsum(weight * accuracy[entry_name(*cell), seed] for cell, weight in contrast.items())
                differences.setdefault(searches[seed] if searches else seed, []).append(difference)
        named = dict(zip(("kind", "effect", "base", "way", "unit"), (*head, unit), strict=True))
        values = [fmean(several) for several in differences.values()]
        rows.append({**named, **_summary(values, units, unit), "share": math.nan})
    for row, adjusted in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_holm"] = adjusted
    gains = [row for row in rows if row["kind"] == "gain"]
    for whole in gains:
        if whole["effect"] == "both" and (whole["low"] > 0 or whole["high"] < 0):
            for row in (gain for gain in gains if gain["base"] == whole["base"]):
                row["share"] = row["difference"] / whole["difference"]
    return rows


def _contrasts(bases: Sequence[str], ways: Sequence[str]) -> Iterator[tuple[tuple[str, str, str, str], Contrast]]:
    """Yield kind, effect, base and way of each effect, and the weight of each cell in it."""
    others = [base for base in bases if base != "searched"]
    scaled = [way for way in ways if way != "none"]
    single = [way for way in scaled if way != "compound"]
    main = "compound" if "compound" in ways else scaled[0]

    def search(other: str, *ways: str) -> Contrast:
        return _minus([("searched", way) for way in ways], [(other, way) for way in ways])

    def scaling(way: str, *bases: str) -> Contrast:
        return _minus([(base, way) for base in bases], [(base, "none") for base in bases])

    for other in others:
        yield ("search", f"searched minus {other}", other, "all"), search(other, *ways)
    for way in scaled:
        yield ("scaling", f"{way} minus none", "all", way), scaling(way, *bases)
    if "compound" in scaled and single:
        one_dimension = [(base, way) for base in bases for way in single]
        contrast = _minus([(base, "compound") for base in bases], one_dimension)
        yield ("scaling", "compound minus one dimension", "all", "compound"), contrast
    for other in others:
        interaction = {("searched", main): 1.0, ("searched", "none"): -1.0, (other, main): -1.0, (other, "none"): 1.0}
        yield ("interaction", f"{main} scaling of searched minus of {other}", other, main), interaction
    for other in others:
        yield ("gain", "both", other, main), {("searched", main): 1.0, (other, "none"): -1.0}
        yield ("gain", "search", other, main), search(other, "none", main)
        yield ("gain", "scaling", other, main), scaling(main, "searched", other)


def _minus(first: Sequence[Cell], second: Sequence[Cell]) -> Contrast:
    """Weigh the mean of some cells minus the mean of others."""
    return {cell: 1 / len(first) for cell in first} | {cell: -1 / len(second) for cell in second}


def _summary(differences: Sequence[float], units: int, unit: str) -> dict[str, Any]:
    """Return mean, interval and test of one effect; NaN if `note` says why."""
    n, fewest = len(differences), FEWEST[unit]
    one, many = ("search", "searches") if unit == "search" else ("seed", "seeds")
    row: dict[str, Any] = {"seeds": n, **dict.fromkeys(("difference", "low", "high", "p_value"), math.nan)}
    notes = [f"{units - n} of {units} {many} lack a sound training of some cell"] if n < units else []
    if differences:
        row["difference"] = fmean(differences)
    if n == 1:
        notes.append(f"one {one}: no interval")
    elif differences and max(differences) - min(differences) < SAME:
        notes.append(f"the same for every {one}: its spread cannot be estimated")
    elif differences:
        interval, p_value = mean_interval(differences), float(stats.ttest_1samp(differences, 0.0).pvalue)
        row |= {"low": interval["low"], "high": interval["high"], "p_value": p_value}
        if n < fewest:
            notes.append(f"{n} of the {fewest} {many} that a claim needs")
    return {**row, "note": "; ".join(notes)}
