"""A space within hard limits on parameters, multiply-accumulates, latency, memory and the size of the file."""

import math
from collections.abc import Mapping
from itertools import product
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any

from nas_steps.errors import UserError, exact
from nas_steps.spaces.cells.costs import CellBlocks
from nas_steps.spaces.cells.paths import cell_paths
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.costs import CONSTRAINED, Costs, CostTable, read_costs
from nas_steps.spaces.language.blocks import LanguageBlocks
from nas_steps.spaces.language.space import LanguageSpace
from nas_steps.spaces.mobile.costs import MobileBlocks
from nas_steps.spaces.mobile.paths import mobile_paths
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.spaces.paths import Paths
from nas_steps.spaces.protocol import Architecture, Space

#: uniform draws and mutations that are tried before another way to keep the limits
DRAWS = 200
#: mutations of a walk for each decision of its first architecture
STEPS = 4
#: steps of each weight in the grid over several limits, fewer for more of them
GRID = {1: 8, 2: 8, 3: 8, 4: 6, 5: 5}


class Limited:
    """`space`, but `sample` and `mutate` keep `constraints` (limits by field of `Costs`).

    If none of `DRAWS` uniform samples keeps them, `sample` walks from the smallest architecture by mutations within
    the limits, which is not quite uniform. Decisions may leave the limits (ask `admits`), and `size` ignores them.
    Raises UserError if no architecture keeps the limits.
    """

    def __init__(self, space: Space, table: CostTable, constraints: Mapping[str, float]) -> None:
        self.space = space
        self.table = table
        self.constraints = dict(constraints)
        if "latency_ms" in constraints and not table.has_latency:
            raise UserError("search.constraints.latency_ms is given, but the table of costs has no latencies")
        self.start = smallest_within(table, self.constraints, space.name)
        self.costs = table.costs
        self.name, self.size, self.identity, self.parse = space.name, space.size, space.identity, space.parse
        self.decision, self.decode, self.decided = space.decision, space.decode, space.decided
        self.encode, self.describe = space.encode, space.describe

    @property
    def is_limited(self) -> bool:
        return bool(self.constraints)

    def admits(self, architecture: Architecture) -> bool:
        """Return whether an architecture keeps all limits."""
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
        """Mutate within the limits; if `DRAWS` mutations fail, draw any other architecture."""
        for _ in range(DRAWS):
            if self.admits(other := self.space.mutate(architecture, random)):
                return other
        return self.sample(random)

    def neighbours(self, architecture: Architecture) -> list[Architecture]:
        """Return the neighbours within the limits."""
        return [other for other in self.space.neighbours(architecture) if self.admits(other)]


def given(constraints: Any) -> dict[str, float]:
    """Return the section's limits that are not null, by name; none if there is no section."""
    limits = {name: getattr(constraints, name, None) for name in CONSTRAINED}
    return {name: limit for name, limit in limits.items() if limit is not None}


def constrained_space(space: Space, constraints: Any, costs: str | Path | None) -> Space:
    """Limit `space` to the section `search.constraints`, by the table in the file `costs`. Raises UserError."""
    limits = given(constraints)
    if costs is not None:
        return Limited(space, read_costs(costs, blocks_of(space)), limits)
    if limits:
        raise UserError(f"limits of {', '.join(limits)} are given, but no blocks.csv; name it by --blocks")
    return space


def blocks_of(space: Space, network: object = None) -> MobileBlocks | CellBlocks | LanguageBlocks:
    """Return the blocks of a space; only counting cells needs their skeleton `network`. Raises TypeError."""
    if isinstance(space, MobileSpace):
        return MobileBlocks(space)
    if isinstance(space, CellSpace):
        return CellBlocks(space, network)
    if isinstance(space, LanguageSpace):
        return LanguageBlocks(space)
    raise TypeError(f"{type(space).__name__} has neither cells nor blocks nor layers")


def paths_of(space: Space) -> Paths:
    """Return the architectures of a space as paths, of all if it limits another one. Raises TypeError."""
    blocks = blocks_of(getattr(space, "space", space))
    if isinstance(blocks, LanguageBlocks):
        raise TypeError(f"the architectures of space {space.name} are not written as paths")
    return mobile_paths(blocks) if isinstance(blocks, MobileBlocks) else cell_paths(blocks)


def keeps(costs: Costs, constraints: Mapping[str, float]) -> bool:
    return all(getattr(costs, what) <= limit for what, limit in constraints.items())


def smallest_within(table: CostTable, constraints: Mapping[str, float], name: str) -> Architecture:
    """Return an architecture within all limits, the smallest by a weighted sum of them (a grid, if there are several).

    Raises UserError if none is found.
    """
    for what, limit in constraints.items():
        smallest = table.smallest(what)
        found = getattr(table.costs(smallest), what)
        if found > limit:
            raise UserError(
                f"search.constraints.{what} is {exact(limit)}, but the smallest network of space {name} has "
                f"{spelled(found, what)}; raise the limit, or search a space of smaller networks"
            )
    if not constraints:
        return table.smallest("macs")
    candidates = []
    # equal weights first
    steps = GRID[len(constraints)]
    for shares in sorted(product(range(steps + 1), repeat=len(constraints)), key=lambda one: max(one) - min(one)):
        if not any(shares) or (sum(shares) != steps and max(shares) != min(shares)):
            continue
        price = {what: share / limit for share, (what, limit) in zip(shares, constraints.items(), strict=True) if share}
        candidate = table.cheapest(price)
        costs = table.costs(candidate)
        if keeps(costs, constraints):
            return candidate
        candidates.append((max(getattr(costs, what) / limit for what, limit in constraints.items()), candidate))
    closest = min(candidates, key=itemgetter(0))[1]
    costs = table.costs(closest)
    having = ", ".join(spelled(getattr(costs, what), what) for what in constraints)
    raise UserError(
        f"search.constraints: each limit is kept by some architecture of space {name}, but none was found that keeps "
        f"all of {', '.join(f'{what} {exact(limit)}' for what, limit in constraints.items())}; closest comes {closest} "
        f"with {having}; raise the limits"
    )


#: words after a figure; others are counts of what their name says
UNITS = {"latency_ms": "ms", "memory_mb": "MB of memory", "file_mb": "MB in a file"}


def spelled(value: float, what: str) -> str:
    """Spell `1,234 parameters` or `12.35 ms`; ms and MB are rounded up, so that they suffice as a limit."""
    if what not in UNITS:
        return f"{value:,.0f} {what}"
    unit = 10.0 ** (math.floor(math.log10(value)) - 3) if value > 0 else 1.0
    return f"{math.ceil(value / unit) * unit:.4g} {UNITS[what]}"
