"""The slice of the config that each step uses.

A step reads its slice and nothing else; the same slice decides whether the step is stale. So a key can neither be
used without being watched nor be watched without being used.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from nas_steps.config.constraints import Constraints, Latency
from nas_steps.config.data import Data
from nas_steps.config.estimators import (
    Estimator,
    Screen,
    SharedWeights,
    Table,
)
from nas_steps.config.export import Export
from nas_steps.config.recipe import Recipe
from nas_steps.config.scaling import Factorial, Scaling
from nas_steps.config.schema import Config
from nas_steps.config.space import Network, Space
from nas_steps.config.strategies import (
    Enas,
    GradientStrategy,
    SamplingStrategy,
)
from nas_steps.config.supernet import SupernetTraining
from nas_steps.errors import UserError
from nas_steps.provenance.files import canonical_json, read_json, write_for_jobs
from nas_steps.provenance.fingerprint import fingerprint

#: the end of the name of a settings file
FINGERPRINT = re.compile(r"[0-9a-f]{16}")


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Compute(Settings):
    """What every training step needs to know. On which device it runs is no part of it: a command-line option says so,
    and the results say which it was."""

    seed: int
    threads: int


class DataSettings(Settings):
    """`content` is the fingerprint of the user's files, empty if none are read. Where they lie is given on the command
    line: a folder that was moved or renamed holds the same data. So is what is done with files that cannot be read;
    `tolerance` says it, too, if the data would be others by another answer."""

    seed: int
    data: Data
    content: str = ""
    tolerance: str = ""


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
    """What one evaluation trains on average: epochs of a share of the images, or a number of images once."""

    epochs: float = 0
    share: float = 1
    images: int = 0
    resolution: int | None = None


class CountedSupernet(Settings):
    """What the budget counts of the supernet that all sampling strategies share, and of an evaluation by it."""

    epochs: int
    share: float
    resolution: int | None
    sampling: str
    between: int
    calibration_images: int
    valid_images: int | None


class BudgetSettings(Settings):
    """Enough to count what each strategy will train, and no more."""

    seed: int
    space: Space
    network: Network
    evaluation: Evaluated
    strategies: dict[str, Counted]
    supernet: CountedSupernet | None = None
    constraints: Constraints | None = None


class BlockLatencySettings(Settings):
    """What the parts of final networks cost; `latency` None: it is not measured. The limits are no part of it."""

    seed: int
    space: Space
    network: Network
    latency: Latency | None = None


class ProposeSettings(Settings):
    """The number of rounds is the number of jobs: it is no part of a round, but where they share a given sum.

    `rungs` are the epochs of successive halving, `reduction` how many of a rung compete for one place of the next;
    `of` is how many are proposed for each one that is evaluated.
    """

    seed: int
    space: Space
    rungs: tuple[int, ...] = ()
    reduction: int = 0
    of: int = 1
    #: whether an evaluation is told the best score so far, to give up what cannot beat it
    beats: bool = False
    #: how many of the first round are trained to the end although their curves are extrapolated
    finish: int = 0
    constraints: Constraints | None = None
    strategy: SamplingStrategy


class DartsSettings(Compute):
    space: Space
    network: Network
    strategy: GradientStrategy


class TrainingSettings(Compute):
    """Networks of a space, trained by one recipe: candidates, the shortlist, final models."""

    space: Space
    network: Network
    recipe: Recipe
    train_on: str = "train"
    processes: int = 1
    #: what a uniformly drawn architecture keeps
    constraints: Constraints | None = None


class EstimationSettings(Compute):
    """Architectures of a space, each scored by one estimator."""

    space: Space
    network: Network
    estimator: Estimator


class ScreenSettings(Compute):
    """Of the proposed architectures, `screen.of` for each one that is to be evaluated, the best by a cheap score."""

    space: Space
    network: Network
    screen: Screen


class ReplaySettings(Settings):
    """A whole search in a table; `content` is the fingerprint of the table's file."""

    seed: int
    space: Space
    table: Table
    content: str
    strategy: SamplingStrategy
    evaluations: int


class SupernetSettings(Compute):
    """A supernet, whose weights all strategies of a search seed share; how they are scored is no part of it."""

    space: Space
    network: Network
    supernet: SupernetTraining


class SharedSettings(Compute):
    """Architectures of a space, each scored by the weights of a supernet."""

    space: Space
    network: Network
    estimator: SharedWeights


class OneShotSettings(SharedSettings):
    """A whole search by shared weights."""

    constraints: Constraints | None = None
    strategy: SamplingStrategy
    evaluations: int


class EnasSettings(Compute):
    """A search by a controller, with a supernet of its own."""

    space: Space
    network: Network
    strategy: Enas


class LookupSettings(Settings):
    """What searches in a table found; `content` is the fingerprint of the table's file."""

    space: Space
    table: Table
    content: str
    kinds: dict[str, str]  # of each strategy


class SampleSettings(Settings):
    """Architectures drawn uniformly from what the searches draw from."""

    seed: int
    space: Space
    constraints: Constraints | None = None
    uniform: int


class ComparisonSettings(Settings):
    """What the scores of the pool are called: the search's own, and the screen's; strategies whose scores are those of
    a supernet of their own, and so are neither."""

    estimator: str
    screen: str | None = None
    own: tuple[str, ...] = ()


class CalibrationSettings(Settings):
    """How many of the best scored must be trained."""

    seed: int
    estimator: str
    shortlist: int | Literal["auto"]
    tolerance: float
    most: int


class ShortlistSettings(Settings):
    shortlist: int | Literal["auto"]
    kinds: dict[str, str]  # of each strategy


class ScalingSettings(TrainingSettings):
    scaling: Scaling


class FactorialSettings(TrainingSettings):
    """`limits` are those of the search, which the random base keeps, too."""

    factorial: Factorial
    constraints: Constraints | None = None


class ExportSettings(Settings):
    seed: int
    space: Space
    export: Export


class ReportSettings(Settings):
    config: Config


def write_settings(name: str, value: Any, folder: str | Path) -> str:
    """Write one settings file, if it is not there yet; return its path.

    A file of that name that holds something else was edited by hand, or is damaged. It is written anew.
    """
    path = Path(folder) / f"{name}-{fingerprint(value)}.json"
    text = canonical_json(value) + "\n"
    if not path.is_file() or path.read_bytes() != text.encode("utf-8"):
        write_for_jobs(path, text)
    return path.as_posix()


Step = TypeVar("Step", bound=Settings)


def read_settings(path: str | Path, kind: type[Step]) -> Step:
    """Read the settings that the Snakefile wrote for a step.

    Raises UserError if they are not what the file's name says. A copy under a name of one's own may hold anything.
    """
    value = read_json(path)
    _, _, named = Path(path).stem.rpartition("-")
    if FINGERPRINT.fullmatch(named) and named != fingerprint(value):
        raise UserError(
            f"{path} was edited by hand: its name is the fingerprint of other settings; run snakemake again, which "
            "writes it anew, and change the config; or give the edited copy another name"
        )
    return kind.model_validate(value)
