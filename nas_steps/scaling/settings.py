"""The settings of compound scaling, of the factorial and of the rungs."""

from nas_steps.config.recipe import Recipe
from nas_steps.config.scaling import Factorial, Rungs, Scaling
from nas_steps.provenance.settings import Settings
from nas_steps.training.settings import ComputeSettings, TrainingSettings


class ScalingSettings(TrainingSettings):
    """The winner's family."""

    scaling: Scaling


class FactorialSettings(TrainingSettings):
    """Search against scaling. The random base keeps the `constraints` of the search."""

    factorial: Factorial


class RungSettings(ComputeSettings):
    """Language models of several sizes at one compute. Which compute, seed and network are options of the command.

    `head_width` is that of hand-designed networks.
    """

    recipe: Recipe
    rungs: Rungs
    head_width: int


class GatherSettings(Settings):
    """The tables of the rungs; `seed` draws their intervals."""

    seed: int
