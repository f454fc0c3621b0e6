"""The settings of steps that score architectures."""

from __future__ import annotations

from nas_steps.config.estimators import Estimator, Screen, Table
from nas_steps.config.space import FilledSpace, Network
from nas_steps.provenance.settings import Settings
from nas_steps.training.settings import ComputeSettings


class EstimationSettings(ComputeSettings):
    """Architectures of a space, each scored by one estimator; `share`: by this share of its epochs."""

    space: FilledSpace
    network: Network
    estimator: Estimator
    share: float | None = None


class ScreenSettings(ComputeSettings):
    """A cheap score that chooses which of a round's proposals are evaluated."""

    space: FilledSpace
    network: Network
    screen: Screen


class LookupSettings(Settings):
    """What searches in a benchmark's table ended in. `content` is the fingerprint of the table's file, `kinds` has the
    kind of each strategy."""

    space: FilledSpace
    table: Table
    content: str
    kinds: dict[str, str]
