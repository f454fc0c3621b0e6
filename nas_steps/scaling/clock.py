"""What the compute of the rungs costs by the clock: multipliers of time beside those of compute. Imports no torch.

Some networks run slower than their FLOPs say. All sizes of a rung are trained with the same compute, so their seconds
tell what it costs. ln seconds is a line in ln N for each network; the lines of one rung share their slope. It is read
at each network's best size. The multiplier of time is the compute multiplier times the ratio of these seconds.

Its interval joins those of the two factors, which are independent, by Zou & Donner 2008 (the method of variance
estimates recovery): the distances of a sum's limits are the roots of the summed squares of the distances of its terms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy import stats

from nas_steps.intervals import CONFIDENCE
from nas_steps.scaling.isoflop import Floats, Point
from nas_steps.scaling.multipliers import Estimate

#: of ln seconds: trainings of one process, one after another, cannot be more alike by the clock
LEAST_NOISE = 1e-3


@dataclass(frozen=True)
class Clock:
    """Lines of ln seconds in ln N: `level` (networks, rungs) at the mean ln N of a rung, `slope` (rungs,).

    `noise` is the standard deviation of one training, from `degrees` degrees of freedom. `spread` (rungs) is by rung a
    matrix that turns such errors into those of the levels of its networks, `places`, and of the slope.
    """

    level: Floats
    slope: Floats
    noise: float
    degrees: int
    _places: tuple[tuple[int, ...], ...]
    _spread: tuple[Floats, ...]

    def ratio(self, rung: int, one: int, other: int, sizes: tuple[float, float]) -> Estimate:
        """Return the seconds of network `one` over those of `other` for the same compute, at their ln N `sizes`."""
        away = sizes[0] - sizes[1]
        value = float(self.level[one, rung] - self.level[other, rung] + self.slope[rung] * away)
        if math.isnan(value) or not self.degrees:
            return Estimate(math.exp(value), math.nan, math.nan)
        spread = self._spread[rung]
        contrast = np.zeros(len(spread))
        contrast[self._places[rung].index(one)] += 1
        contrast[self._places[rung].index(other)] -= 1
        contrast[-1] = away
        error = self.noise * float(np.linalg.norm(contrast @ spread))
        reach = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, self.degrees))
        return Estimate(*(math.exp(one) for one in (value, value - reach, value + reach)))


def fit_clock(points: Sequence[Point], networks: int, rungs: int) -> Clock:
    """Fit the lines by least squares to points whose `losses` are ln seconds; a point counts by its number of seeds."""
    level, slope = np.full((networks, rungs), np.nan), np.full(rungs, np.nan)
    places: list[tuple[int, ...]] = []
    spreads: list[Floats] = []
    squares, degrees = 0.0, 0
    for rung in range(rungs):
        mine = [one for one in points if one.rung == rung and one.losses]
        present = sorted({one.network for one in mine})
        places.append(tuple(present))
        if not mine:
            spreads.append(np.zeros((1, 1)))
            continue
        x = np.array([one.log_size for one in mine])
        seconds, seeds = np.array([fmean(one.losses) for one in mine]), np.array([len(one.losses) for one in mine])
        root = np.sqrt(seeds)
        belongs = np.array([[one.network == number for number in present] for one in mine], dtype=float)
        design = np.hstack([belongs, (x - x.mean())[:, None]])
        inverse = np.linalg.pinv(design * root[:, None])
        found = inverse @ (root * seconds)
        level[present, rung], slope[rung] = found[:-1], found[-1]
        spreads.append(inverse)
        squares += float((seeds * (seconds - design @ found) ** 2).sum())
        squares += sum((value - fmean(one.losses)) ** 2 for one in mine for value in one.losses)
        degrees += int(seeds.sum()) - int(np.linalg.matrix_rank(design))
    noise = max(math.sqrt(squares / degrees), LEAST_NOISE) if degrees else math.nan
    return Clock(level, slope, noise, degrees, tuple(places), tuple(spreads))


def times(first: Estimate, second: Estimate) -> Estimate:
    """Return the product of two independent positive estimates."""
    value = math.log(first.value) + math.log(second.value)
    low = math.hypot(*(math.log(one.value / one.low) for one in (first, second)))
    high = math.hypot(*(math.log(one.high / one.value) for one in (first, second)))
    return Estimate(math.exp(value), math.exp(value - low), math.exp(value + high))
