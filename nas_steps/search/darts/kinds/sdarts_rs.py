"""SDARTS-RS (Chen & Hsieh 2020, section 3.1)."""

from nas_steps.search.darts.sdarts import SdartsLearner


class Learner(SdartsLearner):
    """The disturbance is random."""
