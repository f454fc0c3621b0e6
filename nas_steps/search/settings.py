"""The settings of the steps of a search."""

from __future__ import annotations

from typing import Literal

from nas_steps.config.constraints import Constraints, Latency
from nas_steps.config.estimators import SharedWeights, Table
from nas_steps.config.space import FilledSpace, Network
from nas_steps.config.strategies import Enas, GradientStrategy, SamplingStrategy
from nas_steps.config.supernet import SupernetTraining
from nas_steps.provenance.settings import Settings
from nas_steps.training.settings import ComputeSettings


class Counted(Settings):
    """What the budget counts of a strategy: the epochs of a supernet, or the evaluations."""

    kind: str
    epochs: int | None = None
    #: forward and backward passes for each training batch, and what each of them trains
    passes: float = 0
    path: str = "all"
    parts: int = 1
    #: images that go forward through an architecture besides, to reward a controller
    forwards: int = 0
    #: epochs of the weights after each decision of a perturbation-based selection
    selection_epochs: int = 0
    evaluations: int | Literal["auto"] | None = None


class Evaluated(Settings):
    """What one evaluation trains on average: epochs of a share of the images, or one batch once."""

    epochs: float = 0
    images: float = 1
    batch: int = 0
    resolution: int | None = None


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
    """What is needed to count the training of each strategy. `screened` is images of screening, for one evaluation."""

    seed: int
    space: FilledSpace
    network: Network
    evaluation: Evaluated
    screened: int = 0
    strategies: dict[str, Counted]
    supernet: CountedSupernet | None = None
    constraints: Constraints | None = None


class BlockLatencySettings(Settings):
    """What the blocks of final networks cost; `latency` None: it is not measured."""

    seed: int
    space: FilledSpace
    network: Network
    latency: Latency | None = None


class ProposeSettings(Settings):
    """One round of a strategy that asks and tells.

    The number of rounds is the number of jobs: it is no part of a round, unless they share a given sum.
    """

    seed: int
    space: FilledSpace
    #: epochs of each rung of successive halving, and how many of a rung compete for one place of the next
    rungs: tuple[int, ...] = ()
    eta: int = 0
    proposals_per_evaluation: int = 1
    #: whether an evaluation is told the best score so far, to give up what cannot beat it
    beats: bool = False
    #: how many of the first round are trained to the end although their curves are extrapolated
    finish: int = 0
    constraints: Constraints | None = None
    strategy: SamplingStrategy


class GatherSettings(Settings):
    """The name of a search's scores, and the epochs of each rung of successive halving."""

    estimator: str
    rungs: tuple[int, ...] = ()


class DartsSettings(ComputeSettings):
    """A search by a supernet that has alphas."""

    space: FilledSpace
    network: Network
    strategy: GradientStrategy


class EnasSettings(ComputeSettings):
    """A search by a controller, with a supernet of its own."""

    space: FilledSpace
    network: Network
    strategy: Enas


class SupernetSettings(ComputeSettings):
    """A supernet that all strategies of a search seed share; how architectures are scored by it is no part of this."""

    space: FilledSpace
    network: Network
    supernet: SupernetTraining


class SharedSettings(ComputeSettings):
    """Architectures of a space, each scored by the weights of a supernet."""

    space: FilledSpace
    network: Network
    estimator: SharedWeights


class OneShotSettings(SharedSettings):
    """A whole search by shared weights."""

    constraints: Constraints | None = None
    strategy: SamplingStrategy
    evaluations: int


class ReplaySettings(Settings):
    """A whole search in a benchmark's table; `content` is the fingerprint of the table's file."""

    seed: int
    space: FilledSpace
    table: Table
    content: str
    strategy: SamplingStrategy
    evaluations: int
