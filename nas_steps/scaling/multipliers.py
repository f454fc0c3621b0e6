"""Compare networks by the compute that they need for the same loss, at several rungs of compute. Imports no torch.

The best losses of a network follow L(C) = E + A C^-a (Kaplan et al. 2020; Hoffmann et al. 2022). E, which no network
gets below, is shared by all. The compute multiplier of a searched network against another one at compute C is C' / C if
the searched one reaches with C' the loss that the other reaches with C. Below 1 it needs less.

From the measured losses L_s and L_b of a rung follows ln multiplier = -ln((L_b - E) / (L_s - E)) / a_s: the searched
network's own curve, through its own point, says how much compute the difference is worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas_steps.intervals import holm, percentile_interval
from nas_steps.scaling.isoflop import Fit, Floats
from nas_steps.scaling.rung_effects import effects

#: fewest rungs: E, A and a are three numbers
FEWEST_RUNGS = 3
#: values of E that are tried, and the least distance of E to the lowest loss, in ranges of the losses
TRIED, NEAREST = 40, 0.2
#: multipliers beyond 1/1000 and 1000 are no figures, and curves must fall to be compared
FARTHEST, FLATTEST = math.log(1000.0), 1e-4
#: the least loss that is drawn, as a share of the lowest one
LEAST = 0.1
#: what is drawn to know the intervals
DRAWS = 4000


@dataclass(frozen=True)
class Law:
    """L(C) = E + exp(log_scale) C^-power: `floor` (...,) is E; the others have shape (..., networks)."""

    floor: Floats
    log_scale: Floats
    power: Floats


def fit_law(losses: Floats, log_compute: Floats) -> Law:
    """Fit the curves to losses (..., networks, rungs) at ln C (rungs,), by least squares of the losses.

    E is one of `TRIED` values from 0 to just below the lowest loss. For each of them, ln(L - E) is a line in ln C.
    Errors there are weighed by (L - E)^2, which makes them errors of losses.
    """
    lowest, highest = losses.min(axis=(-2, -1)), losses.max(axis=(-2, -1))
    nearest = np.minimum(NEAREST * (highest - lowest) + 1e-9, lowest)
    steps = np.linspace(0.0, 1.0, TRIED)
    below = nearest[..., None] ** (1 - steps) * lowest[..., None] ** steps
    floors = lowest[..., None] - below
    left = losses[..., None, :, :] - floors[..., None, None]
    scale, power, error = _lines(np.log(left), left**2, log_compute)
    chosen = error.sum(axis=-1).argmin(axis=-1)
    floor = np.take_along_axis(floors, chosen[..., None], -1)[..., 0]
    scale, power = (np.take_along_axis(one, chosen[..., None, None], -2)[..., 0, :] for one in (scale, power))
    return Law(floor, scale, power)


def _lines(values: Floats, weights: Floats, x: Floats) -> tuple[Floats, Floats, Floats]:
    """Fit weighted lines along the last axis: return intercept, minus slope, and the weighted sum of squares."""
    total = weights.sum(-1)
    middle, mean = (weights * x).sum(-1) / total, (weights * values).sum(-1) / total
    away, above = x - middle[..., None], values - mean[..., None]
    slope = (weights * away * above).sum(-1) / (weights * away**2).sum(-1)
    error = (weights * (above - slope[..., None] * away) ** 2).sum(-1)
    return mean - slope * middle, -slope, error


def log_multipliers(losses: Floats, law: Law, searched: Sequence[int], baselines: Sequence[int]) -> Floats:
    """Return ln of the compute multipliers, (..., searched, baselines, rungs), cut off at `FARTHEST`.

    `losses` are (..., networks, rungs), `searched` and `baselines` places of networks. If the searched network's curve
    does not fall, a better loss of the other one is out of its reach.
    """
    left = losses - law.floor[..., None, None]
    mine, theirs = np.log(left[..., list(searched), :]), np.log(left[..., list(baselines), :])
    power = np.maximum(law.power[..., list(searched)], FLATTEST)
    worth = -(theirs[..., None, :, :] - mine[..., :, None, :]) / power[..., :, None, None]
    return np.clip(worth, -FARTHEST, FARTHEST)


def changes(multipliers: Floats, log_compute: Floats) -> Floats:
    """Return ln of the factor by which multipliers (..., rungs), as ln, change from the first rung to the last.

    It is the slope of a straight line in ln C times the distance of the rungs.
    """
    away = log_compute - log_compute.mean()
    slope = (multipliers * away).sum(-1) / (away**2).sum()
    return np.asarray(slope * (log_compute.max() - log_compute.min()), dtype=float)


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval, NaN if that is unknown."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Multiplier:
    """What a searched network needs of a baseline's compute, at each rung, and by which factor that changes.

    `change` is the last rung's multiplier over the first one's; `p_change` is of no change. `effects` are those of
    `rung_effects.EFFECTS`, in losses saved.
    """

    searched: int
    baseline: int
    rungs: tuple[Estimate, ...]
    change: Estimate
    p_change: float
    p_holm: float
    effects: tuple[Estimate, ...]


@dataclass(frozen=True)
class Compared:
    """The best loss and ln N of each network at each rung, the law, and the multipliers."""

    losses: NDArray[np.object_]
    sizes: NDArray[np.object_]
    law: Law
    multipliers: tuple[Multiplier, ...]


def compare(
    fit: Fit, log_compute: Floats, searched: Sequence[int], baselines: Sequence[int], *, seed: int, draws: int = DRAWS
) -> Compared:
    """Compare each searched network with each baseline at each rung; every network needs its parabola at every rung.

    Intervals are quantiles over `draws` of the parabolas, `Fit.draws`, from each of which all is estimated anew.
    """
    size, losses = fit.parabolas.best()
    law = fit_law(losses, log_compute)
    point = log_multipliers(losses, law, searched, baselines)
    change = changes(point, log_compute)
    known = fit.degrees > 0
    if known:
        drawn = fit.draws(draws, np.random.default_rng(seed))
        sizes_drawn, losses_drawn = drawn.best()
        # with few degrees of freedom an error may be larger than a loss
        losses_drawn = np.maximum(losses_drawn, LEAST * losses.min())
        redone = log_multipliers(losses_drawn, fit_law(losses_drawn, log_compute), searched, baselines)
        changes_drawn = changes(redone, log_compute)

    def estimate(value: float, several: Floats | None, *, exponential: bool = False) -> Estimate:
        low, high = (math.nan, math.nan) if several is None else percentile_interval(several)
        return Estimate(*(math.exp(one) if exponential else one for one in (value, low, high)))

    def gains(one: int, other: int) -> tuple[Estimate, ...]:
        several = effects(losses_drawn, searched[one], baselines[other]) if known else None
        return tuple(
            estimate(float(value), None if several is None else several[:, place])
            for place, value in enumerate(effects(losses, searched[one], baselines[other]))
        )

    def table(values: Floats, several: Floats | None, *, exponential: bool = False) -> NDArray[np.object_]:
        found = np.empty(values.shape, dtype=object)
        for place in np.ndindex(*values.shape):
            mine = None if several is None else several[(slice(None), *place)]
            found[place] = estimate(float(values[place]), mine, exponential=exponential)
        return found

    rungs = table(point, redone if known else None, exponential=True)
    changed = table(change, changes_drawn if known else None, exponential=True)
    pairs = [(one, other) for one in range(len(searched)) for other in range(len(baselines))]
    p_values = [_p_value(changes_drawn[:, one, other]) if known else math.nan for one, other in pairs]
    multipliers = tuple(
        Multiplier(
            searched[one],
            baselines[other],
            tuple(rungs[one, other]),
            changed[one, other],
            p_value,
            adjusted,
            gains(one, other),
        )
        for (one, other), p_value, adjusted in zip(pairs, p_values, holm(p_values), strict=True)
    )
    return Compared(
        table(losses, losses_drawn if known else None), table(size, sizes_drawn if known else None), law, multipliers
    )


def _p_value(drawn: Floats) -> float:
    """Return the two-sided p-value of 0 from draws (draws,) about an estimate, at least 2 / draws."""
    tail = min(float((drawn <= 0).mean()), float((drawn >= 0).mean()))
    return min(1.0, max(2 / len(drawn), 2 * tail))
