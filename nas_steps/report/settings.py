"""The settings of the report."""

from nas_steps.config.constraints import Latency
from nas_steps.config.schema import Config
from nas_steps.config.space import FilledSpace
from nas_steps.provenance.settings import Settings


class ReportSettings(Settings):
    """The report prints the whole config."""

    config: Config
    space: FilledSpace
    #: None if latency is neither a constraint nor an objective
    latency: Latency | None = None
    #: epochs of each rung of successive halving
    rungs: tuple[int, ...] = ()
