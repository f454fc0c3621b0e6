"""The costs of an architecture as the sum of its blocks', nearly exact for latency (Cai et al. 2019, section 3.3)."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from nas_steps.errors import UserError
from nas_steps.provenance.files import number, read_csv, write_csv
from nas_steps.spaces.protocol import Architecture

#: what can be constrained: the fields of `Costs`
CONSTRAINED = ("parameters", "macs", "latency_ms")
COLUMNS = ("part", *CONSTRAINED)


class Costs(NamedTuple):
    """The costs of a network or a block: `macs` are multiply-accumulates per image; latency is NaN if not measured."""

    parameters: int
    macs: int
    latency_ms: float = math.nan


class Shape(NamedTuple):
    """The channels, side in pixels and classes of a network's images."""

    inputs: int
    side: int
    classes: int


class Blocks(Protocol):
    """The blocks of the architectures of `space`."""

    space: Any

    def of(self, architecture: Architecture) -> list[str]:
        """Name an architecture's blocks, each as often as it occurs."""

    def names(self) -> list[str]:
        """Name the blocks of all architectures, each once."""

    def count(self, name: str, shape: Shape) -> tuple[int, int]:
        """Count a block's parameters and multiply-accumulates."""

    def cheapest(self, price: Callable[[str], float]) -> Architecture:
        """Return the architecture with the smallest sum of its blocks' prices, exactly."""


class CostTable:
    """The costs of architectures from the costs of their blocks."""

    def __init__(self, blocks: Blocks, costs: Mapping[str, Costs]) -> None:
        self.blocks = blocks
        self._of = dict(costs)

    @property
    def has_latency(self) -> bool:
        return not any(math.isnan(one.latency_ms) for one in self._of.values())

    def costs(self, architecture: Architecture) -> Costs:
        found = [self._of[name] for name in self.blocks.of(architecture)]
        return Costs(
            sum(one.parameters for one in found),
            sum(one.macs for one in found),
            math.fsum(one.latency_ms for one in found),
        )

    def smallest(self, what: str) -> Architecture:
        """Return the architecture with the least `what`, a field of `Costs`."""
        return self.cheapest({what: 1.0})

    def cheapest(self, weights: Mapping[str, float]) -> Architecture:
        """Return the architecture with the least weighted sum of costs; weights by field of `Costs`."""
        return self.blocks.cheapest(
            lambda name: math.fsum(weight * getattr(self._of[name], what) for what, weight in weights.items())
        )


def counted(blocks: Blocks, shape: Shape) -> CostTable:
    """Make the table without latencies."""
    return CostTable(blocks, {name: Costs(*blocks.count(name, shape)) for name in blocks.names()})


def write_costs(path: str | Path, blocks: Blocks, shape: Shape, latencies: Mapping[str, float]) -> None:
    """Write the table of a space; latencies in ms by block, those that were not measured stay empty."""
    rows = [(name, *blocks.count(name, shape), latencies.get(name, math.nan)) for name in blocks.names()]
    write_csv(path, [dict(zip(COLUMNS, row, strict=True)) for row in rows], COLUMNS)


def read_costs(path: str | Path, blocks: Blocks) -> CostTable:
    """Read the table that `write_costs` wrote. Raises UserError if it has other blocks."""
    rows = read_csv(path)
    missing = set(blocks.names()) ^ {row["part"] for row in rows}
    if missing:
        raise UserError(
            f"{path} is the table of another space: {len(missing)} parts differ, such as {min(missing)}; delete it and "
            "run snakemake again"
        )
    costs = {row["part"]: Costs(int(row["parameters"]), int(row["macs"]), number(row["latency_ms"])) for row in rows}
    return CostTable(blocks, costs)


def divided(side: int, by: int) -> int:
    """Return the side of a map after strides that multiply to `by`; each rounds up, and so does their product."""
    return -(-side // by)
