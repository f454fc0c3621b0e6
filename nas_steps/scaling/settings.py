"""The settings of compound scaling and of the factorial."""

from nas_steps.config.scaling import Factorial, Scaling
from nas_steps.training.settings import TrainingSettings


class ScalingSettings(TrainingSettings):
    """The winner's family."""

    scaling: Scaling


class FactorialSettings(TrainingSettings):
    """Search against scaling. The random base keeps the `constraints` of the search."""

    factorial: Factorial
