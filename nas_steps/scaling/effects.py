"""What search and scaling each bring, and whether they add up: effects of the factorial, paired over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from scipy import stats

from nas_steps.intervals import holm, mean_interval
from nas_steps.scaling.factorial import entry_name

EFFECTS = (
    "kind",
    "effect",
    "base",
    "way",
    "seeds",
    "difference",
    "low",
    "high",
    "p_value",
    "p_holm",
    "share",
    "note",
)
#: below so many seeds nothing is claimed; an interval needs two
FEWEST_SEEDS = 3
#: differences whose spread is below this are the same for every seed
SAME = 1e-12

Cell = tuple[str, str]  # base, way of scaling
#: an effect: what the accuracy of each cell counts in it
Contrast = Mapping[Cell, float]


def effects(bases: Sequence[str], ways: Sequence[str], trainings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every effect in shares of test accuracy: the mean over seeds with a 95 % t interval and a paired t test.

    search: the searched base minus another, the mean over all ways of scaling. scaling: a way minus none, the mean over
    all bases; compound minus the mean of those in one dimension. interaction: how much more compound scaling brings the
    searched base than the other. gain: the searched, compound-scaled network minus the other base unscaled, and what
    of it came from either factor, each averaged over the two orders in which they can be added (Shapley 1953), so that
    the parts sum up to it. `share` of the gain is told where its interval excludes 0.

    Only seeds in which every cell that an effect needs was trained soundly count; Holm's adjustment is over all rows.
    """
    accuracy: dict[tuple[str, int], float] = {
        (metrics["entry"], metrics["seed"]): metrics["test_accuracy"]
        for metrics in trainings
        if metrics["status"] == "ok"
    }
    seeds = sorted({metrics["seed"] for metrics in trainings})
    rows: list[dict[str, Any]] = []
    for head, contrast in _contrasts(bases, ways):
        found = [
            math.fsum(weight * accuracy[entry_name(*cell), seed] for cell, weight in contrast.items())
            for seed in seeds
            if all((entry_name(*cell), seed) in accuracy for cell in contrast)
        ]
        rows.append({**head, **_summary(found, len(seeds)), "share": math.nan})
    for row, adjusted in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_holm"] = adjusted
    _shares(rows)
    return rows


def main_way(ways: Sequence[str]) -> str:
    """The way of scaling that the family goes by: compound, where it is among them."""
    return "compound" if "compound" in ways else next(way for way in ways if way != "none")


def _contrasts(bases: Sequence[str], ways: Sequence[str]) -> Iterator[tuple[dict[str, str], Contrast]]:
    """Each effect's names, and what each cell counts in it."""
    others = [base for base in bases if base != "searched"]
    scaled = [way for way in ways if way != "none"]
    single = [way for way in scaled if way != "compound"]
    main = main_way(ways)

    def head(kind: str, effect: str, base: str, way: str) -> dict[str, str]:
        return {"kind": kind, "effect": effect, "base": base, "way": way}

    def search(other: str, *ways: str) -> Contrast:
        """What the searched base is ahead of another, the mean over some ways."""
        return _sum(
            [(1 / len(ways), ("searched", way)) for way in ways] + [(-1 / len(ways), (other, way)) for way in ways]
        )

    def scaling(way: str, *bases: str) -> Contrast:
        """What a way brings, the mean over some bases."""
        return _sum(
            [(1 / len(bases), (base, way)) for base in bases] + [(-1 / len(bases), (base, "none")) for base in bases]
        )

    for other in others:
        yield head("search", f"searched minus {other}", other, "all"), search(other, *ways)
    for way in scaled:
        yield head("scaling", f"{way} minus none", "all", way), scaling(way, *bases)
    if "compound" in scaled and single:
        compound = [(1 / len(bases), (base, "compound")) for base in bases]
        one = [(-1 / len(bases) / len(single), (base, way)) for base in bases for way in single]
        yield head("scaling", "compound minus one dimension", "all", "compound"), _sum(compound + one)
    for other in others:
        more = [(1.0, ("searched", main)), (-1.0, ("searched", "none")), (-1.0, (other, main)), (1.0, (other, "none"))]
        yield head("interaction", f"{main} scaling of searched minus of {other}", other, main), _sum(more)
    for other in others:
        both = [(1.0, ("searched", main)), (-1.0, (other, "none"))]
        yield head("gain", "both", other, main), _sum(both)
        yield head("gain", "search", other, main), search(other, "none", main)
        yield head("gain", "scaling", other, main), scaling(main, "searched", other)


def _sum(terms: Sequence[tuple[float, Cell]]) -> Contrast:
    """What each cell counts in all; cells that count nothing are left out, since their trainings are not needed."""
    found: dict[Cell, float] = {}
    for weight, cell in terms:
        found[cell] = found.get(cell, 0.0) + weight
    return {cell: weight for cell, weight in found.items() if weight}


def _summary(found: Sequence[float], seeds: int) -> dict[str, Any]:
    """Mean, interval and test of one effect; NaN where they cannot be had, `note` says why."""
    row: dict[str, Any] = {
        "seeds": len(found),
        "difference": fmean(found) if found else math.nan,
        "low": math.nan,
        "high": math.nan,
        "p_value": math.nan,
    }
    notes = []
    if len(found) < seeds:
        notes.append(f"{seeds - len(found)} of {seeds} seeds lack a sound training of some cell")
    if len(found) == 1:
        notes.append("one seed: no interval")
    elif found and max(found) - min(found) < SAME:
        notes.append("the same for every seed: its spread cannot be estimated")
    elif found:
        interval = mean_interval(found)
        row |= {
            "low": interval["low"],
            "high": interval["high"],
            "p_value": float(stats.ttest_1samp(found, 0.0).pvalue),
        }
        if len(found) < FEWEST_SEEDS:
            notes.append(f"{len(found)} of the {FEWEST_SEEDS} seeds that a claim needs")
    return {**row, "note": "; ".join(notes)}


def _shares(rows: Sequence[dict[str, Any]]) -> None:
    """What part of each gain came from either factor, where the gain is told from 0."""
    for whole in rows:
        if whole["kind"] == "gain" and whole["effect"] == "both" and (whole["low"] > 0 or whole["high"] < 0):
            for row in rows:
                if (row["kind"], row["base"]) == ("gain", whole["base"]):
                    row["share"] = row["difference"] / whole["difference"]
