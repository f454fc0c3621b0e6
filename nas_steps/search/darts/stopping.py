"""When a differentiable search ends before its last epoch, and which epoch's alphas it hands on. Imports no torch.

All is decided from the history's rows alone, so that a search that was interrupted decides the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas_steps.config.strategies import DartsPlus, EarlyStopEigenvalue, Gradient

Row = Mapping[str, Any]


def reason_to_stop(settings: Gradient, rows: Sequence[Row]) -> str:
    """Why the search ends after these epochs; empty if it goes on."""
    if isinstance(settings, DartsPlus):
        return _darts_plus(settings, rows)
    if isinstance(settings, EarlyStopEigenvalue):
        return _eigenvalue(settings, rows)
    return ""


def chosen_epoch(settings: Gradient, rows: Sequence[Row]) -> int:
    """The place of the row whose alphas become candidates: the last, unless the eigenvalue says to go back."""
    if isinstance(settings, EarlyStopEigenvalue) and reason_to_stop(settings, rows):
        return len(rows) - 1 - settings.window
    return len(rows) - 1


def _darts_plus(settings: DartsPlus, rows: Sequence[Row]) -> str:
    if len(rows) <= settings.warmup_epochs:
        return ""
    if rows[-1]["skips"] >= settings.stop_skips:
        return f"the normal cell has {rows[-1]['skips']} skip connections after epoch {len(rows)}"
    span = settings.stop_stable + 1
    if len(rows) - settings.warmup_epochs >= span and len({str(row["ranking"]) for row in rows[-span:]}) == 1:
        return f"the ranking of the operations did not change in {settings.stop_stable} epochs"
    return ""


def _eigenvalue(settings: EarlyStopEigenvalue, rows: Sequence[Row]) -> str:
    window = settings.window
    values = [row["eigenvalue"] for row in rows]
    if len(values) - settings.warmup_epochs < 2 * window:
        return ""
    now, before = sum(values[-window:]) / window, sum(values[-2 * window : -window]) / window
    if before > 0 and now > 0 and before / now < settings.ratio:
        return f"the largest eigenvalue rose from {before:.3g} to {now:.3g} over {window} epochs, by epoch {len(rows)}"
    return ""
