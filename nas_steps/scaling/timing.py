"""Predict how long a member's training takes on the device that trained the others."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np

TIMES = ("train_seconds", "predicted_seconds", "predicted_seconds_error", "predicted_seconds_note")
#: the fewest networks of different MACs for a line, and for its error
FEWEST, FEWEST_FOR_ERROR = 2, 3


def predicted_times(macs: Sequence[int], seconds: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """Return each network's mean measured seconds of one training, and those on a line through all measured ones.

    `macs` are of each network, `seconds` those of its trainings, none if it was not trained. The line is
    seconds = a + b * MACs with a, b >= 0, fitted to relative errors, all by one recipe on the same images. Its error
    is the mean relative error on each trained network when it is left out; with two networks it is unknown. Networks
    larger than the trained ones are an extrapolation, which that error does not cover.
    """
    means = [fmean(mine) if mine else None for mine in seconds]
    known = [(count, mean) for count, mean in zip(macs, means, strict=True) if mean]
    different = len({count for count, _ in known})
    line = error = None
    note = f"{len(known)} of the {FEWEST} trained networks that a line needs"
    if different >= FEWEST:
        line, note = fit(known), f"a line through {len(known)} networks, seconds against MACs"
        if different >= FEWEST_FOR_ERROR:
            misses = []
            for place, (count, measured) in enumerate(known):
                start, slope = fit(known[:place] + known[place + 1 :])
                misses.append(abs(start + slope * count - measured) / measured)
            error = fmean(misses)
        else:
            note += "; its error is not known"
    return [
        dict(zip(TIMES, (mean, None if line is None else line[0] + line[1] * count, error, note), strict=True))
        for count, mean in zip(macs, means, strict=True)
    ]


def fit(points: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Return start and slope, both at least 0, of the line with the least squares of relative errors."""
    macs, seconds = np.array(points, dtype=float).T
    weighted = np.stack([1 / seconds, macs / seconds], axis=1)
    start, slope = np.linalg.lstsq(weighted, np.ones(len(macs)), rcond=None)[0]
    if start >= 0 and slope >= 0:
        return float(start), float(slope)
    # a bound is active: the best line through the origin, or the best constant
    column = weighted[:, 1] if start < 0 else weighted[:, 0]
    only = float(column.sum() / (column**2).sum())
    return (0.0, only) if start < 0 else (only, 0.0)
