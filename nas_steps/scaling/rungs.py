"""Make the tables of the rungs: all trainings, the best loss at each compute, and the compute multipliers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nas_steps.intervals import CONFIDENCE
from nas_steps.provenance.files import number
from nas_steps.scaling.clock import Clock, fit_clock, times
from nas_steps.scaling.isoflop import FEWEST_SIZES, Fit, Point, fit_parabolas
from nas_steps.scaling.multipliers import FARTHEST, Compared, Estimate, Law, Multiplier, compare
from nas_steps.scaling.rung_effects import EFFECTS

CURVES = (
    "network", "kind", "compute", "points", "loss", "low", "high", "parameters", "parameters_low", "parameters_high",
    "minimum", "floor", "power", "law_points", "noise", "degrees",
)  # fmt: skip
MULTIPLIERS = (
    "searched", "baseline", "compute", "multiplier", "low", "high", "time", "time_low", "time_high", "change",
    "change_low", "change_high", "p_holm", "outcome", "note",
)  # fmt: skip
GAINS = ("searched", "baseline", "compute", "scaled", "effect", "difference", "low", "high", "share")
#: a claim about the change needs a Holm-adjusted p below this
ALPHA = 1 - CONFIDENCE

#: how `outside` ends
OUTSIDE = ": the best tried size is taken"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Ladder:
    """The sound trainings as points: networks and computes in their order, and the points of each network."""

    networks: tuple[str, ...]
    kinds: Mapping[str, str]
    compute: tuple[float, ...]
    points: tuple[Point, ...]
    #: the same with ln seconds in place of losses
    timed: tuple[Point, ...]

    def complete(self) -> list[str]:
        """Return the networks with sound trainings of `FEWEST_SIZES` sizes or more at every rung."""
        return [name for name in self.networks if all(self.sizes(name, one) >= FEWEST_SIZES for one in self.rungs)]

    @property
    def rungs(self) -> range:
        return range(len(self.compute))

    def sizes(self, network: str, rung: int) -> int:
        """Count the sizes of a network at a rung that have a sound training."""
        place = self.networks.index(network)
        return sum((one.network, one.rung) == (place, rung) for one in self.points)

    def of(self, names: Sequence[str]) -> Ladder:
        """Return the ladder of some networks alone."""
        places = {self.networks.index(name): new for new, name in enumerate(names)}
        points, timed = (
            tuple(replace(one, network=places[one.network]) for one in several if one.network in places)
            for several in (self.points, self.timed)
        )
        return Ladder(tuple(names), self.kinds, self.compute, points, timed)

    def fitted(self) -> Fit:
        return fit_parabolas(self.points, len(self.networks), len(self.compute))

    def clock(self) -> Clock:
        return fit_clock(self.timed, len(self.networks), len(self.compute))


def ladder(rows: Sequence[Row]) -> Ladder:
    """Read rows of `ladder.TRAINED`, as text or numbers. Only sound trainings count; a compute is a rung."""
    kinds = {row["network"]: row["kind"] for row in rows}
    networks, compute = list(kinds), sorted({float(row["compute"]) for row in rows})
    losses: dict[tuple[int, int, float], list[float]] = {}
    seconds: dict[tuple[int, int, float], list[float]] = {}
    for row in rows:
        if row["status"] == "ok" and math.isfinite(number(row["loss"])):
            place = networks.index(row["network"]), compute.index(float(row["compute"]))
            size = (*place, math.log(float(row["parameters"])))
            losses.setdefault(size, []).append(number(row["loss"]))
            if number(row["seconds"]) > 0:
                seconds.setdefault(size, []).append(math.log(number(row["seconds"])))
    points, timed = (
        tuple(Point(*place, tuple(values)) for place, values in several.items()) for several in (losses, seconds)
    )
    return Ladder(tuple(networks), kinds, tuple(compute), points, timed)


@dataclass(frozen=True)
class Tables:
    """The rows of rung_curves.csv, multipliers.csv and rung_effects.csv."""

    curves: list[dict[str, Any]]
    multipliers: list[dict[str, Any]]
    effects: list[dict[str, Any]]


def gather(rows: Sequence[Row], seed: int) -> Tables:
    """Return the rows of all tables that are made of `ladder.TRAINED`. `seed` draws the intervals."""
    whole = ladder(rows)
    complete = whole.complete()
    kept = whole.of(complete)
    # without a third size somewhere at each rung, nothing shows the curvature
    fit = kept.fitted()
    if not complete or bool(np.isnan(fit.parabolas.curvature).any()):
        return Tables([], _without(whole, complete=[]), [])
    searched = [place for place, name in enumerate(complete) if whole.kinds[name] == "searched"]
    others = [place for place, name in enumerate(complete) if whole.kinds[name] == "baseline"]
    found = compare(fit, np.log(kept.compute), searched, others, seed=seed)
    clock = kept.clock()
    multipliers = [row for one in found.multipliers for row in _described(kept, one, fit, found, clock)]
    gains = [row for one in found.multipliers for row in _gains(kept, one)]
    return Tables(_curves(kept, fit, found), multipliers + _without(whole, complete), gains)


def _curves(kept: Ladder, fit: Fit, found: Compared) -> list[dict[str, Any]]:
    """Return a row for each network and rung."""
    turning, rows = fit.parabolas.turning(), []
    for place, name in enumerate(kept.networks):
        for rung, compute in enumerate(kept.compute):
            loss, size = found.losses[place, rung], found.sizes[place, rung]
            low, high = fit.parabolas.low[place, rung], fit.parabolas.high[place, rung]
            at = turning[place, rung]
            minimum = "below the sizes" if at < low else "above the sizes" if at > high else "within the sizes"
            rows.append(
                {"network": name, "kind": kept.kinds[name], "compute": compute, "points": kept.sizes(name, rung)}
                | {"loss": loss.value, "low": loss.low, "high": loss.high}
                | {"parameters": round(math.exp(size.value))}
                | {"parameters_low": _exponential(size.low), "parameters_high": _exponential(size.high)}
                | {"minimum": minimum, **_law(found.law, place, kept)}
                | {"noise": fit.noise, "degrees": fit.degrees}
            )
    return rows


def _exponential(value: float) -> int | float:
    return value if math.isnan(value) else round(math.exp(value))


def _law(law: Law, place: int, kept: Ladder) -> dict[str, Any]:
    points = len(kept.networks) * len(kept.compute)
    return {"floor": float(law.floor), "power": float(law.power[place]), "law_points": points}


def _described(kept: Ladder, one: Multiplier, fit: Fit, found: Compared, clock: Clock) -> list[dict[str, Any]]:
    """Return a row for each rung of one pair."""
    pair = {"searched": kept.networks[one.searched], "baseline": kept.networks[one.baseline]}
    outside = _outside(kept, one, fit)
    rows = []
    for rung, (compute, estimate) in enumerate(zip(kept.compute, one.rungs, strict=True)):
        sizes = found.sizes[one.searched, rung].value, found.sizes[one.baseline, rung].value
        time = times(estimate, clock.ratio(rung, one.searched, one.baseline, sizes))
        notes = [outside[compute]] if compute in outside else []
        if not fit.degrees:
            notes.append("no interval: too few trainings to know their noise")
        if any(abs(math.log(value)) >= FARTHEST - 1e-9 for value in (estimate.low, estimate.high) if value == value):
            notes.append("an end is open: the curve of the searched network is too flat to say")
        rows.append(
            {**pair, "compute": compute, "multiplier": estimate.value, "low": estimate.low, "high": estimate.high}
            | {"time": time.value, "time_low": time.low, "time_high": time.high}
            | {"change": one.change.value, "change_low": one.change.low, "change_high": one.change.high}
            | {"p_holm": one.p_holm, "outcome": outcome(one), "note": "; ".join(notes)}
        )
    return rows


def _gains(kept: Ladder, one: Multiplier) -> list[dict[str, Any]]:
    """Return a row for each effect of search and scaling in one pair, in bits per byte saved.

    `share` is a part of a whole whose interval is above 0, if neither part is below 0.
    """
    whole, search, scaling, _ = one.effects
    shared = whole.low > 0 and min(search.value, scaling.value) >= 0
    rows = []
    for name, effect in zip(EFFECTS, one.effects, strict=True):
        share = effect.value / whole.value if shared and name != "interaction" else math.nan
        rows.append(
            {"searched": kept.networks[one.searched], "baseline": kept.networks[one.baseline]}
            | {"compute": kept.compute[0], "scaled": kept.compute[-1], "effect": name}
            | {"difference": effect.value, "low": effect.low, "high": effect.high, "share": share}
        )
    return rows


def _outside(kept: Ladder, one: Multiplier, fit: Fit) -> dict[float, str]:
    """Return by compute what is wrong with the sizes tried there."""
    turning, low, high = fit.parabolas.turning(), fit.parabolas.low, fit.parabolas.high
    found = {}
    for rung, compute in enumerate(kept.compute):
        places = [one.searched, one.baseline]
        below = [kept.networks[place] for place in places if turning[place, rung] < low[place, rung]]
        above = [kept.networks[place] for place in places if turning[place, rung] > high[place, rung]]
        notes = [outside(names, smaller) for names, smaller in ((below, True), (above, False)) if names]
        if notes:
            found[compute] = "; ".join(notes)
    return found


def outside(names: Sequence[str], smaller: bool) -> str:
    """Say that networks may be best at a size beyond those that were tried, and how to mend it."""
    way, mend = ("smaller", "raise") if smaller else ("larger", "lower")
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"{listed} may be better {way} than the sizes tried ({mend} scaling.rungs.tokens_per_parameter){OUTSIDE}"


def outcome(one: Multiplier) -> str:
    """Say which way the multiplier goes from the first rung to the last.

    - `shrinks`: an advantage at the first rung (its interval is below 1), and the multiplier rises
    - `grows`: an advantage at the last rung, and the multiplier falls
    - `rises` or `falls`: the change is claimed, but there is no such advantage
    - `no change found`, or `unknown` without an interval
    """
    if math.isnan(one.p_holm):
        return "unknown"
    if one.p_holm >= ALPHA or one.change.low <= 1 <= one.change.high:
        return "no change found"
    if one.change.value > 1:
        return "shrinks" if _wins(one.rungs[0]) else "rises"
    return "grows" if _wins(one.rungs[-1]) else "falls"


def _wins(estimate: Estimate) -> bool:
    return estimate.high < 1


def _without(whole: Ladder, complete: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row without figures for each pair that cannot be compared, and why."""
    searched = [name for name in whole.networks if whole.kinds[name] == "searched"]
    baselines = [name for name in whole.networks if whole.kinds[name] == "baseline"]
    rows = []
    for one in searched:
        for other in baselines:
            lacking = [name for name in (one, other) if name not in complete]
            if not lacking:
                continue
            few = [
                f"{name} has {whole.sizes(name, rung)} sizes with a sound training at {whole.compute[rung]:.3g} FLOPs"
                for name in lacking
                for rung in whole.rungs
                if whole.sizes(name, rung) < FEWEST_SIZES
            ]
            note = "; ".join(few) or "no network has three sizes with a sound training at every rung"
            figures = dict.fromkeys(MULTIPLIERS, math.nan)
            rows.append(figures | {"searched": one, "baseline": other, "outcome": "unknown", "note": note})
    return rows
