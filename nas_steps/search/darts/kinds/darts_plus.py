"""DARTS+ (Liang et al. 2019, section 3.3)."""

from collections.abc import Sequence

from nas_steps.config.strategies import DartsPlus
from nas_steps.search.darts.learner import DartsLearner
from nas_steps.training.loop import Row


class Learner(DartsLearner):
    """Stops before skip connections take over: at a number of them, or when the ranking on each edge is stable."""

    settings: DartsPlus

    def reason_to_stop(self, rows: Sequence[Row]) -> str:
        learnt = len(rows) - self.settings.warmup_epochs
        if learnt <= 0:
            return ""
        if rows[-1]["skips"] >= self.settings.stop_skips:
            return f"the normal cell has {rows[-1]['skips']} skip connections after epoch {len(rows)}"
        span = self.settings.stop_stable + 1
        if learnt >= span and len({str(row["ranking"]) for row in rows[-span:]}) == 1:
            return f"the ranking of the operations did not change in {self.settings.stop_stable} epochs"
        return ""
