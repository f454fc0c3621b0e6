"""Uncertainty of figures taken over seeds or architectures, and what the best of a few is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


def mean_interval(values: Sequence[float]) -> dict[str, float]:
    """Mean, sample standard deviation and 95 % t interval of the mean; NaN if there are too few values."""
    if not values:
        return {"mean": math.nan, "std": math.nan, "low": math.nan, "high": math.nan}
    mean = fmean(values)
    if len(values) < 2:
        return {"mean": mean, "std": math.nan, "low": math.nan, "high": math.nan}
    deviation = stdev(values)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * deviation / math.sqrt(len(values))
    return {"mean": mean, "std": deviation, "low": mean - half, "high": mean + half}


def accuracy_interval(values: Sequence[float]) -> dict[str, float]:
    """`mean_interval` of shares, cut off at 0 and 1: few seeds far apart would give bounds that no share can have."""
    interval = mean_interval(values)
    low, high = interval["low"], interval["high"]
    return interval | {"low": 0.0 if low < 0 else low, "high": 1.0 if high > 1 else high}  # NaN stays NaN


def paired_difference(first_alone: int, second_alone: int, images: int) -> tuple[float, float]:
    """The 95 % interval of a first classifier's accuracy less a second's, by the images that each alone gets right.

    Agresti & Min 2005, "Simple improved confidence intervals for comparing matched proportions": the normal interval
    after adding 1/2 to each of the four counts, so that it has a width even if the two never disagree.
    """
    total, first, second = images + 2, first_alone + 0.5, second_alone + 0.5
    difference = (first - second) / total
    error = math.sqrt((first + second) / total - difference**2) / math.sqrt(total)
    half = float(stats.norm.ppf((1 + CONFIDENCE) / 2)) * error
    return max(-1.0, difference - half), min(1.0, difference + half)


def percentile_interval(resampled: Any) -> tuple[float, float]:
    """The 95 % percentile interval of bootstrapped values (shape (resamples,)); NaN among them do not count."""
    low, high = np.nanquantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p-values; NaN stays NaN and does not count."""
    known = sorted((value, index) for index, value in enumerate(p_values) if not math.isnan(value))
    adjusted = [math.nan] * len(p_values)
    largest = 0.0
    for rank, (value, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * value))
        adjusted[index] = largest
    return adjusted


def expected_best(values: Sequence[float], chosen: int) -> float:
    """The expected largest of `chosen` of the values, drawn at random without replacement: exact, no simulation.

    The j-th smallest of n is the best of the drawn in C(j - 1, chosen - 1) of the C(n, chosen) equally likely draws.
    Raises ValueError if there are fewer values than are to be drawn.
    """
    if not 1 <= chosen <= len(values):
        raise ValueError(f"{chosen} of {len(values)} values cannot be drawn")
    ways = math.comb(len(values), chosen)
    return math.fsum(
        value * (math.comb(place, chosen - 1) / ways)
        for place, value in enumerate(sorted(values))
        if place >= chosen - 1
    )
