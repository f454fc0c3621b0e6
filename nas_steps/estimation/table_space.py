"""A space within the limits of a benchmark's table: of its columns, and of counted parameters, MACs and memory."""

import math
from collections.abc import Mapping
from typing import Any

from nas_steps.config.estimators import Table
from nas_steps.errors import UserError
from nas_steps.estimation.completed import Completed
from nas_steps.estimation.table import limits_of
from nas_steps.spaces.constraints import Limited
from nas_steps.spaces.protocol import Architecture


class TableSpace(Limited):
    """The space of a table, whose architectures keep `search.constraints` and the limits of the table's columns.

    A limit is kept by the figure that is looked up, measured or predicted. Raises UserError if no row keeps all limits.
    """

    def __init__(self, table: Completed, settings: Table, constraints: Mapping[str, float]) -> None:
        super().__init__(table.space, table.costs, constraints)
        self.benchmark, self.settings = table, settings
        #: by column, the lowest and the highest value that is admitted
        self.limited = {
            name: limits
            for name, one in settings.columns.items()
            if (limits := limits_of(one)) != (-math.inf, math.inf)
        }
        if self.limited:
            self.start = self._first_within()

    @property
    def is_limited(self) -> bool:
        return bool(self.constraints or self.limited)

    def admits(self, architecture: Architecture) -> bool:
        return super().admits(architecture) and self._keeps(architecture)

    def cost(self, name: str, architecture: Architecture) -> float:
        """Return a column's value to be minimised: with the other sign if its goal is to maximise it."""
        sign = -1.0 if self.settings.columns[name].goal == "maximise" else 1.0
        return sign * self._value(name, architecture)

    def _value(self, name: str, architecture: Architecture) -> float:
        text = str(architecture)
        self.benchmark.parsed(text, architecture)
        return self.benchmark.value(name, text)

    def _keeps(self, architecture: Architecture) -> bool:
        return all(low <= self._value(name, architecture) <= high for name, (low, high) in self.limited.items())

    def _first_within(self) -> Any:
        """Return the first row within all limits, from which draws walk if uniform ones are outside."""
        for text in self.benchmark.architectures():
            if self.admits(architecture := self.space.parse(text)):
                return architecture
        columns, counted = ", ".join(self.limited), ", ".join(self.constraints)
        also = f" and of search.constraints ({counted})" if counted else ""
        kept = f"no row of the table keeps all limits of search.estimator.columns ({columns}){also}"
        raise UserError(f"{kept}; loosen them")
