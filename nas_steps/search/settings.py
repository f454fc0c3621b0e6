"""The settings of the steps of a search."""

from typing import Literal

from pydantic import Field

from nas_steps.config.constraints import Constraints, Latency
from nas_steps.config.estimators import SharedWeights
from nas_steps.config.space import FilledSpace, Network
from nas_steps.config.strategies import Enas, GradientStrategy, SamplingStrategy
from nas_steps.config.supernet import SupernetTraining
from nas_steps.estimation.settings import TableSettings
from nas_steps.provenance.settings import Settings
from nas_steps.training.settings import ComputeSettings


class CountedStage(Settings):
    """What the budget counts of a stage of a supernet's training; `operations` that an edge keeps are all if None."""

    epochs: int
    operations: int | None = None
    parts: int = 1


class Counted(Settings):
    """What the budget counts of a strategy: the epochs of a supernet, or the evaluations."""

    kind: str
    epochs: int | None = None
    #: first epochs, of each stage if there are several, in which no alpha learns
    warmup_epochs: int = 0
    #: stages that differ in what a pass computes; without them the whole training is one
    stages: tuple[CountedStage, ...] = ()
    batch_size: int = 1
    #: passes of each training batch in every epoch, and besides where alphas learn; passes of a validation batch there
    passes: int = 0
    alpha_passes: int = 0
    alpha_valid_passes: int = 0
    #: forward passes of each training batch in every epoch besides, without a backward pass
    forwards: int = 0
    path: str = "all"
    #: what a batch of the alphas computes
    alpha_path: str = "all"
    parts: int = 1
    #: whether the Hessian's largest eigenvalue is computed after each epoch
    eigenvalue: bool = False
    #: architectures that go forward through each batch of `reward_images`, over all epochs, to reward a controller
    rewarded: int = 0
    reward_images: int = 0
    #: architectures that are drawn and scored in the end, and the training images that norms are re-estimated on
    drawn: int = 0
    calibration_images: int = 0
    #: epochs between two rounds of decisions of a perturbation-based selection; None without it
    selection_epochs: int | None = None
    evaluations: int | Literal["auto"] | None = None
    #: architectures of each round; of random search the number of rounds
    rounds: tuple[int, ...] | int = ()


class Evaluated(Settings):
    """What one evaluation trains: epochs of a share of the images, or one batch once."""

    #: of one training; by rung, rising, with successive halving
    epochs: tuple[int, ...] = ()
    eta: int = 0
    #: trainings of each architecture
    seeds: int = 1
    #: whether the accuracy of each epoch decides on something, not the last one alone
    each_epoch: bool = False
    #: how many of the first round train for `whole` epochs
    finish: int = 0
    whole: int = 0
    images: float = 1
    batch: int = 0
    resolution: int | None = None
    #: of text: FLOPs of one of the equal parts of a training, by all learning rates that are tried, and their number
    compute: float | None = Field(None, exclude_if=lambda value: value is None)
    rates: int | None = Field(None, exclude_if=lambda value: value is None)


class CountedSupernet(Settings):
    """What the budget counts of the supernet that all sampling strategies share, and of an evaluation by it."""

    epochs: int
    images: float
    resolution: int | None
    sampling: str
    between: int
    calibration_images: int
    valid_images: int | None


class BudgetSettings(Settings):
    """All that the budget is counted from.

    `screened` is the architectures that a screen scores for one evaluation, and the images of its batch.
    """

    seed: int
    space: FilledSpace
    network: Network
    evaluation: Evaluated
    screened: tuple[int, int] = (0, 0)
    strategies: dict[str, Counted]
    supernet: CountedSupernet | None = None
    constraints: Constraints | None = None


class BlockLatencySettings(Settings):
    """The blocks whose costs are counted; their latency is measured unless `latency` is None.

    `batch` is the images of the forward pass whose memory is counted, `table_content` the fingerprint of a table of
    what another device took.
    """

    seed: int
    space: FilledSpace
    network: Network
    batch: int = 1
    latency: Latency | None = None
    table_content: str | None = None


class ProfileSettings(Settings):
    seed: int
    space: FilledSpace
    constraints: Constraints | None = None


class ProposeSettings(Settings):
    """One round of a sampling strategy. The number of rounds is the number of jobs, and is no setting.

    Random search has the ratio of its evaluations to its rounds, in lowest terms.
    """

    seed: int
    space: FilledSpace
    #: epochs of each rung of successive halving, and how many of a rung compete for one place of the next
    rungs: tuple[int, ...] = ()
    eta: int = 0
    proposals_per_evaluation: int = 1
    #: whether proposals name the best score so far, so that the estimator can stop early
    beats: bool = False
    #: how many of the first round are trained to the end although their curves are extrapolated
    finish: int = 0
    constraints: Constraints | None = None
    strategy: SamplingStrategy


class GatherSettings(Settings):
    """The name of a search's scores, and the epochs of each rung of successive halving."""

    estimator: str
    rungs: tuple[int, ...] = ()


class SpaceSettings(ComputeSettings):
    space: FilledSpace
    network: Network


class DartsSettings(SpaceSettings):
    strategy: GradientStrategy


class EnasSettings(SpaceSettings):
    strategy: Enas


class SupernetSettings(SpaceSettings):
    """The supernet that all strategies of a search seed share."""

    supernet: SupernetTraining


class SharedSettings(SpaceSettings):
    """Architectures of a space, each scored by the weights of a supernet."""

    estimator: SharedWeights


class OneShotSettings(SharedSettings):
    constraints: Constraints | None = None
    strategy: SamplingStrategy
    evaluations: int


class ReplaySettings(TableSettings):
    """A whole search in a benchmark's table."""

    seed: int
    constraints: Constraints | None = None
    strategy: SamplingStrategy
    evaluations: int
