"""The settings of steps that train."""

from nas_steps.config.constraints import Constraints
from nas_steps.config.recipe import Recipe
from nas_steps.config.space import FilledSpace, Network
from nas_steps.metrics import Metric
from nas_steps.provenance.settings import Settings


class ComputeSettings(Settings):
    """The settings of every training. The device is an option of the command and is written to the results."""

    seed: int
    threads: int
    metric: Metric = "accuracy"


class TrainingSettings(ComputeSettings):
    """Networks of a space, trained by one recipe. A uniformly drawn architecture keeps the `constraints`."""

    space: FilledSpace
    network: Network
    recipe: Recipe
    train_on: str = "train"
    processes: int = 1
    constraints: Constraints | None = None
