"""DARTS, first order (Liu, Simonyan & Yang 2019, section 2.3, xi = 0)."""

from nas_steps.search.darts.learner import DartsLearner


class Learner(DartsLearner):
    """DARTS itself: it changes nothing."""
