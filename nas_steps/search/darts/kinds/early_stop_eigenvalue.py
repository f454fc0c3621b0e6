"""R-DARTS by early stopping (Zela et al. 2020, section 4.3)."""

from collections.abc import Sequence

from nas_steps.config.strategies import EarlyStopEigenvalue
from nas_steps.search.darts.learner import DartsLearner
from nas_steps.training.loop import Row


class Learner(DartsLearner):
    """Stops when the Hessian's largest eigenvalue rises, and goes back by a window of epochs."""

    settings: EarlyStopEigenvalue

    def reason_to_stop(self, rows: Sequence[Row]) -> str:
        window = self.settings.window
        values = [row["eigenvalue"] for row in rows]
        if len(values) - self.settings.warmup_epochs < 2 * window:
            return ""
        now, before = sum(values[-window:]) / window, sum(values[-2 * window : -window]) / window
        if before > 0 and now > 0 and before / now < self.settings.ratio:
            change = f"from {before:.3g} to {now:.3g} over {window} epochs, by epoch {len(rows)}"
            return f"the largest eigenvalue rose {change}"
        return ""

    def chosen_epoch(self, rows: Sequence[Row]) -> int:
        return len(rows) - 1 - (self.settings.window if self.reason_to_stop(rows) else 0)
