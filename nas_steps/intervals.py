"""Uncertainty of a mean: used wherever a figure is averaged over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from scipy import stats

CONFIDENCE = 0.95


def mean_interval(values: Sequence[float]) -> dict[str, float]:
    """Mean, sample standard deviation and 95 % t interval of the mean; NaN where there are too few values."""
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
    found = mean_interval(values)
    # written so that NaN stays NaN
    return {
        **found,
        "low": 0.0 if found["low"] < 0 else found["low"],
        "high": 1.0 if found["high"] > 1 else found["high"],
    }
