"""A benchmark's table that a surrogate completes: measured figures where there are some, else predictions."""

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nas_steps.config.estimators import Table
from nas_steps.estimation.features import features
from nas_steps.estimation.settings import TableSettings
from nas_steps.estimation.table import Benchmark, read_table
from nas_steps.facts import REPORT, SEARCH, SECONDS, VALID
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import Costs, CostTable, Shape, counted
from nas_steps.spaces.declare import declared_on_images
from nas_steps.spaces.protocol import Architecture, Space

if TYPE_CHECKING:
    from nas_steps.estimation.surrogate import Surrogate


class Completed(Benchmark):
    """A table with the `surrogate` for what it lacks, if there is one, and the counted costs of its space's networks.

    An architecture that the table spells otherwise is that of the table if both compute the same network.
    """

    def __init__(self, table: Benchmark, settings: Table, costs: CostTable, surrogate: "Surrogate | None") -> None:
        self.__dict__.update(vars(table))
        self.costs, self.surrogate = costs, surrogate
        self.space: Space = costs.blocks.space
        #: by what is asked for, the column of the file
        self.columns: dict[str, str] = {SEARCH: settings.search, REPORT: settings.report}
        self.columns[VALID] = settings.valid or settings.search
        self.columns |= {SECONDS: settings.cost} if settings.cost else {}
        self.columns |= {name: name for name in settings.columns}
        self._predicted: dict[tuple[str, str], float] = {}
        self._features: dict[str, list[float]] = {}
        #: architectures by their strings, so that none is parsed twice
        self._parsed: dict[str, Architecture] = {}
        #: by an architecture that the table lacks, the same network in the table's own spelling
        self._known_as: dict[str, str | None] = {}

    def value(self, name: str, architecture: str) -> float:
        key = (name, architecture)
        if key in self._predicted:
            return self._predicted[key]
        known = self.measured(name, architecture)
        if not math.isnan(known) or self.surrogate is None or name not in self.columns:
            return known
        predicted = float(self.surrogate.predict(self.columns[name], [self.features(architecture)])[0])
        self._predicted[key] = _possible(name, predicted)
        return self._predicted[key]

    def measured(self, name: str, architecture: str) -> float:
        """Return a figure of the table itself; NaN if it has none."""
        if architecture in self._rows:
            return super().value(name, architecture)
        if self.surrogate is None:
            raise KeyError(architecture)
        if architecture not in self._known_as:
            identity = self.space.identity(self.parsed(architecture))
            self._known_as[architecture] = self._same.get(identity)
        same = self._known_as[architecture]
        return math.nan if same is None else super().value(name, same)

    def is_measured(self, name: str, architecture: str) -> bool:
        return not math.isnan(self.measured(name, architecture))

    def intervals(self, name: str, architectures: Sequence[str]) -> list[tuple[float, float]]:
        """Return the 90 % intervals of predicted figures; NaN for measured ones, whose error is not known."""
        found = dict.fromkeys(architectures, (math.nan, math.nan))
        asked = [one for one in found if not self.is_measured(name, one)]
        if asked and self.surrogate is not None:
            ends = self.surrogate.intervals(self.columns[name], [self.features(one) for one in asked])
            for one, low, high in zip(asked, *ends, strict=True):
                found[one] = (_possible(name, float(low)), _possible(name, float(high)))
        return [found[one] for one in architectures]

    def features(self, architecture: str) -> list[float]:
        """Return what the surrogate sees of an architecture."""
        if architecture not in self._features:
            self._features[architecture] = features(self.costs, self.parsed(architecture))
        return self._features[architecture]

    def parsed(self, text: str, architecture: Architecture | None = None) -> Architecture:
        """Return the architecture of a string, which is remembered; it may be given."""
        if text not in self._parsed:
            self._parsed[text] = self.space.parse(text) if architecture is None else architecture
        return self._parsed[text]

    def count(self, architecture: Architecture) -> Costs:
        """Return the parameters and MACs of a network of the space."""
        return self.costs.costs(architecture)

    @cached_property
    def _same(self) -> dict[str, str]:
        """By identity, the first architecture of the table that computes that network."""
        found: dict[str, str] = {}
        for one in self._rows:
            found.setdefault(self.space.identity(self.space.parse(one)), one)
        return found


def _possible(name: str, value: float) -> float:
    """Bound a predicted accuracy to the shares that there are."""
    return min(max(value, 0.0), 1.0) if name in (SEARCH, REPORT, VALID) else value


def open_table(path: str | Path, settings: TableSettings, surrogate: str | Path | None) -> Completed:
    """Read the table of a step's settings, and the file of its surrogate if there is one. Raises UserError."""
    space = declared_on_images(settings.space)
    images = settings.table.images
    shape = Shape(images.channels, images.side, images.classes)
    costs = counted(blocks_of(space, settings.network), shape)
    found = None
    if surrogate is not None:
        from nas_steps.estimation.surrogate import read

        found = read(surrogate)
    return Completed(read_table(path, settings.table, space), settings.table, costs, found)
