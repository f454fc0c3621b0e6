"""What an architecture costs, as the sum of what its blocks cost.

Parameters and multiply-accumulates are exactly additive. Latency is nearly so (Cai et al. 2019, section 3.3): it is the
sum of the blocks' latencies, each measured alone. Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from nas_steps.errors import UserError
from nas_steps.provenance.files import number, read_csv, write_csv
from nas_steps.spaces.protocol import Architecture

#: what can be constrained: the fields of `Costs`
CONSTRAINED = ("parameters", "macs", "latency_ms")
COLUMNS = ("part", *CONSTRAINED)


class Costs(NamedTuple):
    """Of a network or a part of it. `macs` are multiply-accumulates an image; latency NaN where it is not measured."""

    parameters: int
    macs: int
    latency_ms: float = math.nan


class Shape(NamedTuple):
    """What a network is built for: channels and side in pixels of its images, and their classes."""

    inputs: int
    side: int
    classes: int


class Blocks(Protocol):
    """How the architectures of `space` are put together."""

    space: Any

    def of(self, architecture: Architecture) -> list[str]:
        """The names of an architecture's blocks; one that it has twice is in the list twice."""

    def names(self) -> list[str]:
        """The blocks of all architectures, each once."""

    def count(self, name: str, shape: Shape) -> tuple[int, int]:
        """Parameters and multiply-accumulates of a part."""

    def cheapest(self, price: Callable[[str], float]) -> Architecture:
        """The architecture whose blocks have the smallest sum of prices, exactly."""


class CostTable:
    """What architectures cost, by what each of their blocks costs."""

    def __init__(self, blocks: Blocks, costs: Mapping[str, Costs]) -> None:
        self.blocks = blocks
        self._of = dict(costs)

    @property
    def has_latency(self) -> bool:
        return not any(math.isnan(one.latency_ms) for one in self._of.values())

    def part(self, name: str) -> Costs:
        return self._of[name]

    def costs(self, architecture: Architecture) -> Costs:
        """The sum over its blocks."""
        found = [self._of[name] for name in self.blocks.of(architecture)]
        return Costs(
            sum(one.parameters for one in found),
            sum(one.macs for one in found),
            math.fsum(one.latency_ms for one in found),
        )

    def smallest(self, what: str) -> Architecture:
        """The architecture with the least `what`, a field of `Costs`."""
        return self.cheapest({what: 1.0})

    def cheapest(self, weights: Mapping[str, float]) -> Architecture:
        """The architecture with the least weighted sum of costs, by name of the cost."""
        return self.blocks.cheapest(
            lambda name: math.fsum(weight * getattr(self._of[name], what) for what, weight in weights.items())
        )


def counted(blocks: Blocks, shape: Shape) -> CostTable:
    """The table of parameters and multiply-accumulates, without latencies."""
    return CostTable(blocks, {name: Costs(*blocks.count(name, shape)) for name in blocks.names()})


def write_costs(path: str | Path, blocks: Blocks, shape: Shape, latencies: Mapping[str, float]) -> None:
    """Write the table of a space; `latencies` in ms, by part, are empty where none was measured."""
    rows = []
    for name in blocks.names():
        values = (*blocks.count(name, shape), latencies.get(name, math.nan))
        rows.append(dict(zip(COLUMNS, (name, *values), strict=True)))
    write_csv(path, rows, COLUMNS)


def read_costs(path: str | Path, blocks: Blocks) -> CostTable:
    """The table that `write_costs` wrote. Raises UserError if it has other blocks."""
    rows = read_csv(path)
    missing = set(blocks.names()) ^ {row["part"] for row in rows}
    if missing:
        raise UserError(
            f"{path} is the table of another space: {len(missing)} parts differ, such as {min(missing)}; delete it and "
            "run snakemake again"
        )
    costs = {row["part"]: Costs(int(row["parameters"]), int(row["macs"]), number(row["latency_ms"])) for row in rows}
    return CostTable(blocks, costs)


def least(prices: Sequence[tuple[float, Architecture]]) -> tuple[float, Architecture]:
    """The cheapest of several, of equals the first."""
    return min(prices, key=lambda pair: pair[0])


def divided(side: int, by: int) -> int:
    """The side of a map: each convolution of stride 2 rounds up, and so do all together."""
    return -(-side // by)
