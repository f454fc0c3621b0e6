"""The settings of the steps around the ranking's trainings."""

from typing import Literal

from nas_steps.config.constraints import Constraints
from nas_steps.config.space import FilledSpace
from nas_steps.provenance.settings import Settings


class SampleSettings(Settings):
    """Architectures drawn uniformly from what the searches draw from."""

    seed: int
    space: FilledSpace
    constraints: Constraints | None = None
    uniform: int


class CalibrationSettings(Settings):
    """How many of the best scored must be trained."""

    seed: int
    estimator: str
    shortlist: int | Literal["auto"]
    tolerance: float
    most: int


class MatchSettings(Settings):
    """The kind of each strategy."""

    kinds: dict[str, str]


class ShortlistSettings(Settings):
    """The best of each search; `kinds` has the kind of each strategy."""

    shortlist: int | Literal["auto"]
    kinds: dict[str, str]


class ComparisonSettings(Settings):
    """Names of the pool's scores: the search's and the screen's. `own` are strategies with a supernet of their own."""

    estimator: str
    screen: str | None = None
    own: tuple[str, ...] = ()
