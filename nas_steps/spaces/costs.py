"""The costs of an architecture from those of its blocks.

Parameters, multiply-accumulates and milliseconds are sums, nearly exact for latency (Cai et al. 2019, section 3.3).
The activations in memory are those of the block that needs most.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from nas_steps.errors import UserError
from nas_steps.provenance.files import number, read_csv, write_csv
from nas_steps.spaces.protocol import Architecture

#: what can be constrained: the fields of `Costs`
CONSTRAINED = ("parameters", "macs", "latency_ms", "memory_mb", "file_mb")
COLUMNS = ("part", "parameters", "macs", "latency_ms", "activations_mb")
#: megabytes of one parameter or activation in float32
FLOAT_MB = 4e-6
#: megabytes of an ONNX file besides its parameters: names, shapes and operators of the graph
FILE_MB = 0.016


class Costs(NamedTuple):
    """The costs of a network or a block, NaN if not known.

    `macs` are multiply-accumulates per image. `activations_mb` are the megabytes (10^6 bytes) of all feature maps that
    are needed at once, for the images of one forward pass.
    """

    parameters: int
    macs: int
    latency_ms: float = math.nan
    activations_mb: float = math.nan

    @property
    def memory_mb(self) -> float:
        """The weights and the most activations of a forward pass in float32, in megabytes."""
        return FLOAT_MB * self.parameters + self.activations_mb

    @property
    def file_mb(self) -> float:
        """The size of the float32 ONNX file in megabytes."""
        return FLOAT_MB * self.parameters + FILE_MB


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

    def peak(self, name: str, shape: Shape) -> int:
        """Count the elements of the feature maps that a block needs at once for one image."""

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

    def block(self, name: str) -> Costs:
        """Return the costs of one block."""
        return self._of[name]

    def costs(self, architecture: Architecture) -> Costs:
        found = [self._of[name] for name in self.blocks.of(architecture)]
        return Costs(
            sum(one.parameters for one in found),
            sum(one.macs for one in found),
            math.fsum(one.latency_ms for one in found),
            max(one.activations_mb for one in found),
        )

    def smallest(self, what: str) -> Architecture:
        """Return the architecture with the least `what`, one of `CONSTRAINED`."""
        return self.cheapest({what: 1.0})

    def largest(self, what: str) -> Architecture:
        """Return the architecture with the most `what`, one of `CONSTRAINED`; of memory_mb, the most that was found."""
        if what != "memory_mb":
            return self.blocks.cheapest(lambda name: -_price(self._of[name], _summed({what: 1.0})))
        most = self.largest("parameters")
        sizes = {name: one.activations_mb for name, one in self._of.items()}
        bound, best = FLOAT_MB * self.costs(most).parameters, self.costs(most).memory_mb
        for name in sorted(sizes, key=lambda one: -sizes[one]):
            if bound + sizes[name] <= best:
                break
            # a reward above all parameters takes the block in wherever that is possible
            other = self.blocks.cheapest(
                lambda one, name=name: -FLOAT_MB * self._of[one].parameters - bound * (one == name)  # type: ignore[misc]
            )
            if (found := self.costs(other).memory_mb) > best:
                most, best = other, found
        return most

    def cheapest(self, weights: Mapping[str, float]) -> Architecture:
        """Return the architecture with the least weighted sum of costs, exactly; weights by name in `CONSTRAINED`."""
        summed, by_peak = _summed(weights), weights.get("memory_mb", 0.0)
        prices = {name: _price(one, summed) for name, one in self._of.items()}
        if not by_peak:
            return self.blocks.cheapest(prices.__getitem__)
        return self._cheapest_with_peak(prices, by_peak)

    def _cheapest_with_peak(self, prices: Mapping[str, float], by_peak: float) -> Architecture:
        """Minimise the sum of `prices` plus `by_peak` times the largest activations.

        For each bound of the activations, the cheapest sum of the blocks within it is exact; the best bound is sought
        from the smallest that leaves an architecture, and up to where the bound alone exceeds the best.
        """
        sizes = {name: one.activations_mb for name, one in self._of.items()}

        def within(bound: float) -> tuple[float, Architecture]:
            found = self.blocks.cheapest(lambda name: prices[name] if sizes[name] <= bound else math.inf)
            return math.fsum(prices[name] for name in self.blocks.of(found)), found

        def possible(bound: float) -> bool:
            found = self.blocks.cheapest(lambda name: 0.0 if sizes[name] <= bound else 1.0)
            return all(sizes[name] <= bound for name in self.blocks.of(found))

        bounds = sorted(set(sizes.values()))
        bounds = bounds[bisect_left(bounds, True, key=possible) :]
        least, best = within(math.inf)
        value = least + by_peak * max(sizes[name] for name in self.blocks.of(best))
        for bound in bounds:
            if least + by_peak * bound >= value:
                break
            total, found = within(bound)
            total += by_peak * max(sizes[name] for name in self.blocks.of(found))
            if total < value:
                value, best = total, found
        return best


def _summed(weights: Mapping[str, float]) -> dict[str, float]:
    """Return weights of the fields of `Costs` that are sums; parameters make up the files and a part of the memory."""
    found = {what: weight for what, weight in weights.items() if what not in ("memory_mb", "file_mb")}
    stored = FLOAT_MB * (weights.get("memory_mb", 0.0) + weights.get("file_mb", 0.0))
    if stored:
        found["parameters"] = found.get("parameters", 0.0) + stored
    return found


def _price(costs: Costs, weights: Mapping[str, float]) -> float:
    return math.fsum(weight * getattr(costs, what) for what, weight in weights.items())


def counted(blocks: Blocks, shape: Shape, batch: int = 1) -> CostTable:
    """Make the table without latencies; `batch` images in a forward pass share the memory."""
    return CostTable(blocks, {name: _counted(blocks, name, shape, batch) for name in blocks.names()})


def _counted(blocks: Blocks, name: str, shape: Shape, batch: int, latency: float = math.nan) -> Costs:
    return Costs(*blocks.count(name, shape), latency, FLOAT_MB * batch * blocks.peak(name, shape))


def write_costs(path: str | Path, blocks: Blocks, shape: Shape, latencies: Mapping[str, float], batch: int = 1) -> None:
    """Write the table of a space; latencies in ms by block, those that were not measured stay empty."""
    rows = [(name, *_counted(blocks, name, shape, batch, latencies.get(name, math.nan))) for name in blocks.names()]
    write_csv(path, [dict(zip(COLUMNS, row, strict=True)) for row in rows], COLUMNS)


def read_costs(path: str | Path, blocks: Blocks) -> CostTable:
    """Read the table that `write_costs` wrote. Raises UserError if it has other blocks or columns."""
    rows = read_csv(path)
    if rows and set(COLUMNS) - set(rows[0]):
        raise UserError(f"{path} has other columns than this version writes; delete it and run snakemake again")
    missing = set(blocks.names()) ^ {row["part"] for row in rows}
    if missing:
        raise UserError(
            f"{path} is the table of another space: {len(missing)} parts differ, such as {min(missing)}; delete it and "
            "run snakemake again"
        )
    costs = {
        row["part"]: Costs(
            int(row["parameters"]), int(row["macs"]), number(row["latency_ms"]), number(row["activations_mb"])
        )
        for row in rows
    }
    return CostTable(blocks, costs)


def divided(side: int, by: int) -> int:
    """Return the side of a map after strides that multiply to `by`; each rounds up, and so does their product."""
    return -(-side // by)
