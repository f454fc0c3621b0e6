"""How long a member's training takes on the device that trained the others."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np

TIMES = ("train_seconds", "predicted_seconds", "predicted_seconds_error", "predicted_seconds_note")
#: so many networks of different MACs a line needs, and so many before its error can be measured
FEWEST, FEWEST_FOR_ERROR = 2, 3


def predicted_times(macs: Sequence[int], seconds: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """For each network its mean measured seconds of one training, and those that a line through the measured says.

    `macs` are of each network, `seconds` those of its trainings, none where it was not trained. The line is
    seconds = a + b * MACs with a, b >= 0, fitted to relative errors, all by one recipe on the same images. Its error
    is the mean relative error on each trained network when it is left out; with two there is none to be told. Larger
    networks than the trained ones are an extrapolation, which that error does not cover.
    """
    known = [(count, fmean(mine)) for count, mine in zip(macs, seconds, strict=True) if mine and fmean(mine) > 0]
    rows: list[dict[str, Any]] = []
    if len({count for count, _ in known}) < FEWEST:
        note = f"{len(known)} of the {FEWEST} trained networks that a line needs"
        line, error = None, None
    else:
        line, error = fit(known), None
        note = f"a line through {len(known)} networks, seconds against MACs"
        if len({count for count, _ in known}) >= FEWEST_FOR_ERROR:
            misses = []
            for place, (count, measured) in enumerate(known):
                others = known[:place] + known[place + 1 :]
                start, slope = fit(others)
                misses.append(abs(start + slope * count - measured) / measured)
            error = fmean(misses)
        else:
            note += "; its error is not known"
    for count, mine in zip(macs, seconds, strict=True):
        rows.append(
            {
                "train_seconds": fmean(mine) if mine else None,
                "predicted_seconds": None if line is None else line[0] + line[1] * count,
                "predicted_seconds_error": error,
                "predicted_seconds_note": note,
            }
        )
    return rows


def fit(points: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Start and slope, both at least 0, of the line with the least squares of relative errors."""
    macs, seconds = np.array(points, dtype=float).T
    weighted = np.stack([1 / seconds, macs / seconds], axis=1)
    start, slope = np.linalg.lstsq(weighted, np.ones(len(macs)), rcond=None)[0]
    if start >= 0 and slope >= 0:
        return float(start), float(slope)
    # a bound is met: the best line through the origin, or the best constant
    column = weighted[:, 1] if start < 0 else weighted[:, 0]
    only = float(column.sum() / (column**2).sum())
    return (0.0, only) if start < 0 else (only, 0.0)
