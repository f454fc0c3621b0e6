"""The settings of steps that score architectures."""

from nas_steps.config.constraints import Constraints
from nas_steps.config.estimators import Estimator, Screen, Table
from nas_steps.config.space import FilledSpace, Network
from nas_steps.provenance.settings import Settings
from nas_steps.training.settings import ComputeSettings


class EstimationSettings(ComputeSettings):
    """Architectures of a space, each scored by one estimator, in a `share` of its epochs."""

    space: FilledSpace
    network: Network
    estimator: Estimator
    share: float | None = None


class ScreenSettings(ComputeSettings):
    """A cheap score that chooses which proposals are evaluated."""

    space: FilledSpace
    network: Network
    screen: Screen


class TableSettings(Settings):
    """A benchmark's table, and the fingerprint `content` of its file. `network` stacks cells, to count them."""

    space: FilledSpace
    network: Network
    table: Table
    content: str


class LookupSettings(TableSettings):
    """The same with the constraints of the searches, each strategy's kind, and which have a supernet of their `own`."""

    constraints: Constraints | None = None
    kinds: dict[str, str]
    own: tuple[str, ...] = ()
