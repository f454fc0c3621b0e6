"""Families of rising learning curves, and courses that the rest of a training may take.

The families are those of Domhan, Springenberg & Hutter 2015 (table 1), written as y(t) = c - a g(t), t in epochs from
1, with g falling from about 1 towards 0; its one or two parameters are laid on a grid. Equal ones are left out (exp4
and janoschek are weibull, hill3 and log power are mmf), and unbounded ones (loglog-linear, vapour pressure's power).
"""

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
#: powers of the learning rate to which the withheld accuracy may be proportional: 1 in theory
RATE_POWERS = (0.7, 1.0, 1.4)
#: the share of the noise at rate 0: that of the images, without that of the batches
NOISE_LEFT = (0.1, 1.0)
#: the share of the remaining error that annealing may remove
ERROR_SHARES = tuple(np.linspace(0.05, 0.95, 10))
#: or its gain, in standard deviations of the noise from epoch to epoch
NOISE_GAINS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
#: the share of the accuracy that overfitting or a drift takes by the horizon
LOSSES = tuple(np.geomspace(0.01, 0.5, 9))


def families(epochs: Array, horizon: int) -> tuple[list[str], Array]:
    """Return the name of each g, (members,), and its values at `epochs`, (members, epochs)."""
    curves: list[tuple[str, Array]] = []
    for time in np.geomspace(0.5, 2 * horizon, TIMES):
        curves += [("weibull", np.exp(-((epochs / time) ** power))) for power in POWERS]
        curves += [("mmf", 1 / (1 + (epochs / time) ** power)) for power in (*POWERS, 3.0)]
        curves.append(("vapor_pressure", 1 - np.exp(-time / epochs)))
    for late in (0.0, *np.geomspace(1, horizon, 6)):
        name = "pow4" if late else "pow3"
        curves += [(name, ((epochs + late) / (1 + late)) ** -power) for power in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)]
    curves.append(("ilog2", np.log(2) / np.log(epochs + 1)))
    return [name for name, _ in curves], np.array([values for _, values in curves])


@dataclass(frozen=True)
class Course:
    """A course y(t) = factor(t) f(t) + gain(t) of a family's curve f, with noise of relative size noise(t).

    Arrays are over the observed epochs and, last, the horizon."""

    probability: float
    factor: Array
    gain: Array
    noise: Array


def courses(observed: int, horizon: int, noise: float, schedule: Schedule) -> list[Course]:
    """Return the prior: possible courses, whose probabilities add up to 1.

    A high learning rate withholds accuracy in proportion to it (Mandt, Hoffman & Blei 2017): a share of the error, or a
    multiple of the `noise` between epochs. An unknown schedule is as likely constant as a cosine.
    """
    annealed = {"unknown": 0.5, "cosine": 1.0, "constant": 0.0}[schedule]
    epochs = np.append(np.arange(1.0, observed + 1), horizon)
    possible: list[Course] = []
    for chance, profile in _noise_profiles(observed):
        if annealed < 1:
            possible += _constant(chance * (1 - annealed), profile, epochs / horizon)
        if annealed > 0:
            possible += _annealed(chance * annealed, profile, (1 + np.cos(np.pi * epochs / horizon)) / 2, noise)
    return possible


def _constant(chance: float, profile: Array, progress: Array) -> Iterator[Course]:
    """Yield the family alone, and with slow losses."""
    none = np.zeros_like(progress)
    yield Course(0.85 * chance, none + 1, none, profile)
    for share in LOSSES:
        yield Course(0.15 * chance / len(LOSSES), 1 - share * progress, none, profile)


def _annealed(chance: float, profile: Array, rate: Array, noise: float) -> Iterator[Course]:
    """Yield the courses of a `rate` that falls from 1 to 0 and gives accuracy back."""
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
    """Yield probability and relative size of noise that is even, falls, or is far larger in a first part."""
    epochs = np.append(np.arange(1.0, observed + 1), observed)
    yield 0.3, np.ones(observed + 1)
    yield 0.3, (epochs / observed) ** -0.5
    for part, size in ((0.5, 5.0), (0.5, 50.0), (0.8, 50.0)):
        early = epochs <= part * observed
        yield 0.4 / 3, np.where(early, size, 1.0)
