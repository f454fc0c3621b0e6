"""SDARTS-RS (Chen & Hsieh 2020, section 3.1)."""

from __future__ import annotations

from nas_steps.search.darts.sdarts import SdartsLearner


class Learner(SdartsLearner):
    """The disturbance is random."""
