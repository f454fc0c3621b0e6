"""A space within hard limits of parameters, multiply-accumulates and latency."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

from nas_steps.errors import UserError, exact
from nas_steps.spaces.cells.costs import CellBlocks
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.costs import CONSTRAINED, Blocks, Costs, CostTable, read_costs
from nas_steps.spaces.mobile.costs import MobileBlocks
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.spaces.protocol import Architecture, Decision, Space

#: how often an architecture is drawn uniformly, or a mutation drawn, before it is made within the limits in another way
DRAWS = 200
#: mutations of a walk, for each decision of the architecture that it starts from
STEPS = 4
#: how finely the weights of several limits are tried in search of one architecture that keeps them all
GRID = 8


class Limited:
    """`space`, of which only architectures within `limits` (by field of `Costs`) are drawn and mutated to.

    `sample` is uniform where limits are loose: it draws until one fits. Where none of `DRAWS` fits it walks from the
    smallest architecture by mutations within the limits, as many as make it forget where it began; that is not quite
    uniform. Decisions are those of `space`: what they make must be asked for with `admits`. `size` counts the
    architectures outside the limits too.

    Raises UserError where no architecture keeps the limits.
    """

    def __init__(self, space: Space, table: CostTable, constraints: Mapping[str, float]) -> None:
        self.space = space
        self.table = table
        self.constraints = dict(constraints)
        if "latency_ms" in constraints and not table.has_latency:
            raise UserError("search.constraints.latency_ms is given, but the table of costs has no latencies")
        self.start = smallest_within(table, self.constraints, space.name)

    @property
    def name(self) -> str:
        return self.space.name

    def size(self) -> int:
        return self.space.size()

    def costs(self, architecture: Architecture) -> Costs:
        """What an architecture costs, by the table."""
        return self.table.costs(architecture)

    def admits(self, architecture: Architecture) -> bool:
        """Whether an architecture keeps all limits."""
        return not self.constraints or keeps(self.table.costs(architecture), self.constraints)

    def sample(self, random: Random) -> Architecture:
        for _ in range(DRAWS):
            if self.admits(architecture := self.space.sample(random)):
                return architecture
        architecture = self.start
        for _ in range(STEPS * len(self.space.decided(self.start))):
            if self.admits(other := self.space.mutate(architecture, random)):
                architecture = other
        return architecture

    def mutate(self, architecture: Architecture, random: Random) -> Architecture:
        """A mutation within the limits; where `DRAWS` of them are not, another architecture that is."""
        for _ in range(DRAWS):
            if self.admits(other := self.space.mutate(architecture, random)):
                return other
        return self.sample(random)

    def identity(self, architecture: Architecture) -> str:
        return self.space.identity(architecture)

    def parse(self, text: str) -> Architecture:
        """Read an architecture of the space, within the limits or not. Raises UserError."""
        return self.space.parse(text)

    def decision(self, prefix: Sequence[int]) -> Decision | None:
        return self.space.decision(prefix)

    def decode(self, choices: Sequence[int]) -> Architecture:
        return self.space.decode(choices)

    def decided(self, architecture: Architecture) -> list[int]:
        return self.space.decided(architecture)

    def encode(self, architecture: Architecture) -> list[float]:
        return self.space.encode(architecture)


def given(constraints: Any) -> dict[str, float]:
    """The limits of the section `search.constraints` that are not null, by name; none if there is no section."""
    limits = {name: getattr(constraints, name, None) for name in CONSTRAINED}
    return {name: limit for name, limit in limits.items() if limit is not None}


def constrained_space(space: Space, constraints: Any, costs: str | Path | None) -> Space:
    """The part of `space` within the section `search.constraints`, by the table in the file `costs` (blocks.csv).

    Without a file it is the space itself. Raises UserError if no architecture keeps the limits, or if there are limits
    and no file.
    """
    limits = given(constraints)
    if costs is not None:
        return Limited(space, read_costs(costs, blocks_of(space)), limits)
    if limits:
        raise UserError(f"limits of {', '.join(limits)} are given, but no blocks.csv; name it by --blocks")
    return space


def blocks_of(space: Space, network: object = None) -> Blocks:
    """How architectures of a space are put together; `network` is the skeleton of cells, which counting alone needs.

    Raises TypeError for a space that is of neither family.
    """
    if isinstance(space, MobileSpace):
        return MobileBlocks(space)
    if isinstance(space, CellSpace):
        return CellBlocks(space, network)
    raise TypeError(f"{type(space).__name__} is neither cells nor mobile")


def keeps(costs: Costs, constraints: Mapping[str, float]) -> bool:
    return all(getattr(costs, what) <= limit for what, limit in constraints.items())


def smallest_within(table: CostTable, constraints: Mapping[str, float], name: str) -> Architecture:
    """An architecture that keeps all limits, as small as can be. Raises UserError where there is none.

    Of one limit that is known exactly. Of several each may be kept by some architecture and all by none: then those are
    tried that are smallest by weighted sums of the limits.
    """
    for what, limit in constraints.items():
        smallest = table.smallest(what)
        found = getattr(table.costs(smallest), what)
        if found > limit:
            raise UserError(
                f"search.constraints.{what} is {exact(limit)}, but the smallest of space {name} has "
                f"{spelled(found, what)}: "
                f"{smallest}; raise the limit to that or more, or search a space with smaller architectures"
            )
    closest, excess = None, 0.0
    # the middle first: what is small in everything
    weights = sorted(product(range(GRID + 1), repeat=max(1, len(constraints))), key=lambda one: max(one) - min(one))
    for shares in weights if constraints else []:
        if sum(shares) != GRID and max(shares) != min(shares):
            continue
        price = {what: share / limit for share, (what, limit) in zip(shares, constraints.items(), strict=True) if share}
        if not price:
            continue
        candidate = table.cheapest(price)
        costs = table.costs(candidate)
        if keeps(costs, constraints):
            return candidate
        over = max(getattr(costs, what) / limit for what, limit in constraints.items())
        if closest is None or over < excess:
            closest, excess = candidate, over
    if closest is None:
        return table.smallest("macs")
    costs = table.costs(closest)
    having = ", ".join(spelled(getattr(costs, what), what) for what in constraints)
    raise UserError(
        f"search.constraints: each limit is kept by some architecture of space {name}, but none was "
        f"found that keeps all of "
        f"{', '.join(f'{what} {exact(limit)}' for what, limit in constraints.items())}; closest comes {closest} with "
        f"{having}; raise the limits"
    )


def spelled(value: float, what: str) -> str:
    """`1,234 parameters`, `12.35 ms`; milliseconds are rounded up, so that what is spelled is enough."""
    if what != "latency_ms":
        return f"{value:,.0f} {what}"
    unit = 10.0 ** (math.floor(math.log10(value)) - 3) if value > 0 else 1.0
    return f"{math.ceil(value / unit) * unit:.4g} ms"
