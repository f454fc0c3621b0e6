"""The settings of what is made of the final trainings."""

from nas_steps.config.report import Published
from nas_steps.provenance.settings import Settings


class RecommendSettings(Settings):
    """How much of the metric, from 0 to 1, the recommended network may lose on the validation images."""

    tolerance: float


class ReproduceSettings(Settings):
    """Published figures by strategy, the points by which they may differ, and the kinds of all strategies."""

    published: dict[str, Published]
    margin: float
    kinds: dict[str, str]
