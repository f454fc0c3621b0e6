"""The settings of steps that train."""

from nas_steps.config.constraints import Constraints
from nas_steps.config.recipe import Recipe
from nas_steps.config.space import FilledSpace, Network
from nas_steps.config.supernet import SupernetTraining
from nas_steps.facts import Metric
from nas_steps.provenance.settings import Settings


class ComputeSettings(Settings):
    """The settings of every training. The device is an option of the command and is written to the results.

    `weights` names the pretrained weights that networks start from: source, importance, normalisation.
    """

    seed: int
    threads: int
    deterministic: bool = True
    weights: dict[str, str] | None = None
    metric: Metric = "accuracy"


class TrainingSettings(ComputeSettings):
    """Networks of a space, trained by one recipe. A uniformly drawn architecture keeps the `constraints`.

    `supernet` is how the supernet was trained that slices start from; None if they start from none. `together` seeds
    are trained as one network, where that is faster.
    """

    space: FilledSpace
    network: Network
    recipe: Recipe
    train_on: str = "train"
    processes: int = 1
    together: int = 1
    constraints: Constraints | None = None
    supernet: SupernetTraining | None = None
