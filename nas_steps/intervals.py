"""Intervals of figures over seeds or architectures, adjusted p-values, and the expected best of a few."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


def mean_interval(values: Sequence[float]) -> dict[str, float]:
    """Return mean, sample standard deviation and 95 % t interval of the mean; NaN if there are too few values."""
    mean = fmean(values) if values else math.nan
    if len(values) < 2:
        return {"mean": mean, "std": math.nan, "low": math.nan, "high": math.nan}
    deviation = stdev(values)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * deviation / math.sqrt(len(values))
    return {"mean": mean, "std": deviation, "low": mean - half, "high": mean + half}


def accuracy_interval(values: Sequence[float]) -> dict[str, float]:
    """Return the `mean_interval` of shares, cut off at 0 and 1."""
    interval = mean_interval(values)
    low, high = interval["low"], interval["high"]
    return interval | {"low": 0.0 if low < 0 else low, "high": 1.0 if high > 1 else high}  # NaN stays NaN


def welch_interval(first: tuple[float, float, int], second: tuple[float, float, int]) -> tuple[float, float, float]:
    """Return the difference of two means and its 95 % interval (Welch 1947): each side is mean, sample standard
    deviation and number, 2 or more. Two sides without spread have an interval without width."""
    (mean, deviation, number), (other, others, count) = first, second
    variances = deviation**2 / number, others**2 / count
    error = math.sqrt(sum(variances))
    if error == 0:
        return mean - other, mean - other, mean - other
    shares = [one / error**2 for one in variances]
    degrees = 1 / (shares[0] ** 2 / (number - 1) + shares[1] ** 2 / (count - 1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, degrees)) * error
    return mean - other, mean - other - half, mean - other + half


def paired_difference(first_alone: int, second_alone: int, images: int) -> tuple[float, float]:
    """Return the 95 % interval of one classifier's accuracy less another's, by the images that each alone gets right.

    Agresti & Min 2005, "Simple improved confidence intervals for comparing matched proportions": the normal interval
    after adding 1/2 to each of the four counts. It has a width even if the two never disagree.
    """
    total, first, second = images + 2, first_alone + 0.5, second_alone + 0.5
    difference = (first - second) / total
    error = math.sqrt((first + second) / total - difference**2) / math.sqrt(total)
    half = float(stats.norm.ppf((1 + CONFIDENCE) / 2)) * error
    return max(-1.0, difference - half), min(1.0, difference + half)


def percentile_interval(resampled: Any) -> tuple[float, float]:
    """Return the 95 % percentile interval of bootstrapped values (shape (resamples,)), NaN left out."""
    low, high = np.nanquantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's (1979) adjusted p-values; NaN stays NaN and does not count."""
    known = sorted((value, index) for index, value in enumerate(p_values) if not math.isnan(value))
    adjusted = [math.nan] * len(p_values)
    largest = 0.0
    for rank, (value, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * value))
        adjusted[index] = largest
    return adjusted


def expected_best(values: Sequence[float], chosen: int) -> float:
    """Return the exact expected largest of `chosen` of the values, drawn without replacement.

    The j-th smallest of n is the largest in C(j - 1, chosen - 1) of the C(n, chosen) equally likely draws.
    Raises ValueError if there are too few values.
    """
    if not 1 <= chosen <= len(values):
        raise ValueError(f"{chosen} of {len(values)} values cannot be drawn")
    ways = math.comb(len(values), chosen)
    ranked = enumerate(sorted(values)[chosen - 1 :], start=chosen - 1)
    return math.fsum(value * (math.comb(place, chosen - 1) / ways) for place, value in ranked)
