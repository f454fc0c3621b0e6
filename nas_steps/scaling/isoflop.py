"""Find the best size of a network at each compute from a few tried ones: IsoFLOP parabolas. Imports no torch.

Hoffmann et al. 2022 (Chinchilla), section 3.2: networks of several sizes N are trained with the same compute C. Their
losses lie near a parabola in log N. Its lowest point estimates the best size N*(C) and the loss L(C) there.

Here the parabolas of all networks at one compute share their curvature. So three sizes and one seed already tell the
noise, and a minimum beside the tried sizes is no artefact of one bad training. Real curves are not quite parabolas.
The error is nearly the same for all networks at the same sizes, and cancels where they are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: sizes of a network at one compute that its parabola needs; the curvature comes from all networks
FEWEST_SIZES = 2


@dataclass(frozen=True)
class Point:
    """One size of one network at one compute: places in the lists of networks and rungs, ln N, a loss for each seed."""

    network: int
    rung: int
    log_size: float
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Parabolas:
    """Losses level + slope (x - centre) + curvature (x - centre)^2 with x = ln N.

    `level` and `slope` have shape (..., networks, rungs), `curvature` (..., rungs). `centre` (rungs,) is the mean ln N
    of a rung; `low` and `high` (networks, rungs) are the smallest and largest ln N that were tried. NaN stands for a
    network without `FEWEST_SIZES` sizes at a rung.
    """

    level: Floats
    slope: Floats
    curvature: Floats
    centre: Floats
    low: Floats
    high: Floats

    def turning(self) -> Floats:
        """Return ln N of the lowest points, (..., networks, rungs); infinite on the lower side without a minimum."""
        curvature = self.curvature[..., None, :]
        with np.errstate(divide="ignore", invalid="ignore"):
            turning = np.where(curvature > 0, self.centre - self.slope / (2 * curvature), 0.0)
        middle = (self.high + self.low) / 2 - self.centre
        # between the ends, a parabola that opens downwards is lowest at the end that its chord falls to
        falls = np.where(self.slope + 2 * curvature * middle > 0, -np.inf, np.inf)
        found = np.where(curvature > 0, turning, falls)
        return np.where(np.isnan(self.level), np.nan, found)

    def best(self) -> tuple[Floats, Floats]:
        """Return ln N and the loss of the best size within the tried ones, both (..., networks, rungs)."""
        size = np.clip(self.turning(), self.low, self.high)
        away = size - self.centre
        return size, self.level + self.slope * away + self.curvature[..., None, :] * away**2


@dataclass(frozen=True)
class Fit:
    """Parabolas of all networks at all rungs.

    `noise` is the standard deviation of one training's loss, from `degrees` degrees of freedom: of seeds, and of the
    means of seeds about the parabolas. NaN if there are none. `spread` (rungs) is by rung a matrix that turns such
    errors into those of levels, slopes and curvature.
    """

    parabolas: Parabolas
    noise: float
    degrees: int
    _spread: tuple[Floats, ...]

    def draws(self, number: int, generator: np.random.Generator) -> Parabolas:
        """Return `number` sets of parabolas that might have been found as well, along a first axis.

        Errors are normal. Their variance is drawn, too, as noise^2 degrees / chi^2, so that means over draws have a t
        distribution.
        """
        fitted = self.parabolas
        scale = self.noise * np.sqrt(self.degrees / generator.chisquare(self.degrees, number))
        level = np.repeat(fitted.level[None], number, axis=0)
        slope, curvature = np.repeat(fitted.slope[None], number, axis=0), np.repeat(fitted.curvature[None], number, 0)
        for rung, spread in enumerate(self._spread):
            there = np.flatnonzero(~np.isnan(fitted.level[:, rung]))
            error = generator.standard_normal((number, spread.shape[1])) @ spread.T * scale[:, None]
            level[:, there, rung] += error[:, : len(there)]
            slope[:, there, rung] += error[:, len(there) : -1]
            curvature[:, rung] += error[:, -1]
        return Parabolas(level, slope, curvature, fitted.centre, fitted.low, fitted.high)


def fit_parabolas(points: Sequence[Point], networks: int, rungs: int) -> Fit:
    """Fit a parabola in ln N to each network at each rung by least squares; those of a rung share their curvature.

    A point counts by its number of seeds. Points of networks with fewer than `FEWEST_SIZES` sizes at a rung are left
    out, and so is a rung whose curvature no network shows.
    """
    shape = networks, rungs
    level, slope, low, high = (np.full(shape, np.nan) for _ in range(4))
    curvature, centre = np.full(rungs, np.nan), np.full(rungs, np.nan)
    spreads: list[Floats] = []
    between, within, free, repeated = 0.0, 0.0, 0, 0
    for rung in range(rungs):
        mine = [one for one in points if one.rung == rung and one.losses]
        sizes = {number: {one.log_size for one in mine if one.network == number} for number in range(networks)}
        kept = [number for number, several in sizes.items() if len(several) >= FEWEST_SIZES]
        mine = [one for one in mine if one.network in kept]
        if not any(len(sizes[number]) > FEWEST_SIZES for number in kept):
            spreads.append(np.zeros((1, 1)))
            continue
        x = np.array([one.log_size for one in mine])
        loss, seeds = np.array([fmean(one.losses) for one in mine]), np.array([len(one.losses) for one in mine])
        centre[rung] = x.mean()
        away, root = x - centre[rung], np.sqrt(seeds)
        belongs = np.array([[one.network == number for number in kept] for one in mine], dtype=float)
        design = np.hstack([belongs, belongs * away[:, None], away[:, None] ** 2])
        inverse = np.linalg.pinv(design * root[:, None])
        found = inverse @ (root * loss)
        count = len(kept)
        level[kept, rung], slope[kept, rung], curvature[rung] = found[:count], found[count:-1], found[-1]
        for number in kept:
            low[number, rung], high[number, rung] = min(sizes[number]), max(sizes[number])
        spreads.append(inverse)
        between += float((seeds * (loss - design @ found) ** 2).sum())
        free += len(mine) - design.shape[1]
        within += sum((value - fmean(one.losses)) ** 2 for one in mine for value in one.losses)
        repeated += int(seeds.sum()) - len(mine)
    noise, degrees = _noise(between, free, within, repeated)
    return Fit(Parabolas(level, slope, curvature, centre, low, high), noise, degrees, tuple(spreads))


def _noise(between: float, free: int, within: float, repeated: int) -> tuple[float, int]:
    """Return the standard deviation of one training, and its degrees of freedom.

    Sums of squares about the parabolas and about the means of seeds are pooled. If the former are larger for their
    degrees of freedom, networks differ by more than seeds do, and they alone count.
    """
    degrees = free + repeated
    if not degrees:
        return float("nan"), 0
    pooled = (between + within) / degrees
    if free and between / free > pooled:
        return float(np.sqrt(between / free)), free
    return float(np.sqrt(pooled)), degrees
