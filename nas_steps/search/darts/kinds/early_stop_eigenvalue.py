"""R-DARTS by early stopping (Zela et al. 2020, section 4.3)."""

from collections.abc import Sequence
from statistics import fmean

from nas_steps.config.strategies import EarlyStopEigenvalue
from nas_steps.search.darts.learner import DartsLearner
from nas_steps.training.loop import Row


class Learner(DartsLearner):
    """Stops when the Hessian's largest eigenvalue rises, and goes back by a window of epochs.

    With k the window, the eigenvalue of epoch i is smoothed over the k epochs around i. The search stops if that of
    i - k over that of i is below the ratio, and epoch i - k is chosen. Its last epoch is then i + (k - 1) / 2."""

    settings: EarlyStopEigenvalue

    def reason_to_stop(self, rows: Sequence[Row]) -> str:
        window, settings = self.settings.window, self.settings
        if len(rows) - settings.warmup_epochs < 2 * window or len(rows) - self._back <= settings.burn_in:
            return ""
        values = [row["eigenvalue"] for row in rows[-2 * window :]]
        before, now = fmean(values[:window]), fmean(values[window:])
        # the authors' Hessian is that of the loss with the alphas' weight decay, which adds to each eigenvalue
        damping = settings.alpha_weight_decay
        damped = before + damping, now + damping
        if min(damped) > 0 and damped[0] / damped[1] < settings.ratio:
            change = f"from {before:.3g} to {now:.3g} over {window} epochs, by epoch {len(rows)}"
            return f"the largest eigenvalue rose {change}"
        return ""

    def chosen_epoch(self, rows: Sequence[Row]) -> int:
        return len(rows) - 1 - (self._back if self.reason_to_stop(rows) else 0)

    @property
    def _back(self) -> int:
        """From the last epoch to the middle of the first of two windows."""
        return self.settings.window + self.settings.window // 2
