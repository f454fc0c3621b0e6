"""What a learning curve may look like: families of rising curves, and what the rest of a training may add to them.

The families are those of Domhan, Springenberg & Hutter 2015 (table 1), written as y(t) = c - a g(t), t in epochs from
1, with g falling from about 1 towards 0. So written, several are one: weibull, janoschek and exp4 are one function, and
hill3 and the log power are mmf with an end fixed. Left out are what grows without bound (the loglog-linear curve; the
power factor of the vapour pressure). c and a are linear; only g's one or two other numbers are laid on a grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

Schedule = Literal["unknown", "cosine", "constant"]
Array = np.ndarray

#: powers of time inside the families; 1 is the plain exponential and the plain hyperbola
POWERS = (0.5, 0.7, 1.0, 1.4, 2.0)
#: time constants on the grid, from half an epoch to twice the horizon
TIMES = 24
#: powers of the remaining learning rate to which what it withholds may be proportional: 1 in theory
RATE_POWERS = (0.7, 1.0, 1.4)
#: the noise that is left at rate 0, as a share of that at the full rate: what batches make goes, what images make stays
NOISE_LEFT = (0.1, 1.0)
#: the share of the remaining error that annealing removes: anything
ERROR_SHARES = tuple(np.linspace(0.05, 0.95, 10))
#: or what it wins, in standard deviations of the noise from epoch to epoch, which the same rate makes
NOISE_GAINS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
#: the share of the accuracy that overfitting or a drift takes by the horizon
LOSSES = tuple(np.geomspace(0.01, 0.5, 9))


def families(epochs: Array, horizon: int) -> tuple[list[str], Array]:
    """The name of each g and its values at `epochs`: (members,), (members, epochs)."""
    times = np.geomspace(0.5, 2 * horizon, TIMES)
    found: list[tuple[str, Array]] = []
    for time in times:
        found += [("weibull", np.exp(-((epochs / time) ** power))) for power in POWERS]
        found += [("mmf", 1 / (1 + (epochs / time) ** power)) for power in (*POWERS, 3.0)]
        found.append(("vapor_pressure", 1 - np.exp(-time / epochs)))
    for late in (0.0, *np.geomspace(1, horizon, 6)):
        # without a shift it is pow3
        name = "pow4" if late else "pow3"
        found += [(name, ((epochs + late) / (1 + late)) ** -power) for power in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)]
    found.append(("ilog2", np.log(2) / np.log(epochs + 1)))
    return [name for name, _ in found], np.array([values for _, values in found])


@dataclass(frozen=True)
class Course:
    """One thing that a training may do: y(t) = factor(t) f(t) + gain(t), with noise of relative size noise(t).

    f is a family's curve; arrays are over the observed epochs and, last, the horizon.
    """

    probability: float
    factor: Array
    gain: Array
    noise: Array


def courses(observed: int, horizon: int, noise: float, schedule: Schedule) -> list[Course]:
    """All courses that are thought possible before the curve is seen; their probabilities add up to 1.

    While the learning rate is high, the noise of its steps withholds accuracy in proportion to it (Mandt, Hoffman &
    Blei 2017), which a falling rate gives back. Nobody knows how much: a share of the error from 0 to 1, or
    a multiple of the `noise` seen between epochs. An unknown schedule is as likely constant as it is a cosine that ends
    at the horizon.
    """
    annealed = {"unknown": 0.5, "cosine": 1.0, "constant": 0.0}[schedule]
    epochs = np.append(np.arange(1.0, observed + 1), horizon)
    found: list[Course] = []
    for chance, profile in _noise_profiles(observed):
        if annealed < 1:
            found += _constant(chance * (1 - annealed), profile, epochs / horizon)
        if annealed > 0:
            found += _annealed(chance * annealed, profile, (1 + np.cos(np.pi * epochs / horizon)) / 2, noise)
    return found


def _constant(chance: float, profile: Array, progress: Array) -> Iterator[Course]:
    """The family alone, or a slow loss beside it."""
    none = np.zeros_like(progress)
    yield Course(0.85 * chance, none + 1, none, profile)
    for share in LOSSES:
        yield Course(0.15 * chance / len(LOSSES), 1 - share * progress, none, profile)


def _annealed(chance: float, profile: Array, rate: Array, noise: float) -> Iterator[Course]:
    """What the falling rate gives back; `rate` is 1 at first and 0 at the end."""
    chance /= len(NOISE_LEFT) * len(RATE_POWERS)
    for left in NOISE_LEFT:
        shrinking = profile * (left + (1 - left) * rate)
        for power in RATE_POWERS:
            given = 1 - rate**power
            for share in ERROR_SHARES:
                yield Course(chance * 2 / 3 / len(ERROR_SHARES), 1 - share * given, share * given, shrinking)
            for times in NOISE_GAINS:
                yield Course(chance / 3 / len(NOISE_GAINS), np.ones_like(rate), times * noise * given, shrinking)


def _noise_profiles(observed: int) -> Iterator[tuple[float, Array]]:
    """Probability and relative size of the noise: even, falling, or with a first part that says nothing of the rest."""
    epochs = np.append(np.arange(1.0, observed + 1), observed)
    yield 0.3, np.ones(observed + 1)
    yield 0.3, (epochs / observed) ** -0.5
    for part, size in ((0.5, 5.0), (0.5, 50.0), (0.8, 50.0)):
        early = epochs <= part * observed
        yield 0.4 / 3, np.where(early, size, 1.0)
