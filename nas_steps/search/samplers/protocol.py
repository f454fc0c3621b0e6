"""What every strategy that asks and tells promises, and what all of them remember."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Protocol

from nas_steps.errors import UserError
from nas_steps.estimation.estimates import SCREENED, Estimate
from nas_steps.spaces.protocol import Architecture, Bounded, Space, admitted, members

#: how often to draw again after an architecture that was seen before
PATIENCE = 10_000
#: how often a strategy's own way of drawing is tried before architectures are drawn uniformly
TRIES = 200
#: spaces with no more strings than that are listed when draws bring nothing new
LISTED = 20_000

#: what a strategy knows, flat: plain data as in JSON, and numpy arrays
State = dict[str, Any]


class Sampler(Protocol):
    """A strategy.

    All it does is deterministic in what was told and in the generators that `ask` is given. `tell` after `restore` goes
    on, bit for bit, as if all that the state was told had been told again.
    """

    def ask(self, count: int, random: Random) -> list[Architecture]:
        """The next `count` architectures to evaluate; isomorphic to none that was asked or told before.

        Fewer, down to none, where the space has no more. Raises UserError where in a space too large to be listed
        no new one is found.
        """

    def tell(self, estimates: Sequence[Estimate]) -> None:
        """What the architectures asked before are worth, in the order of asking."""

    def state(self) -> State:
        """All that the strategy knows."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Know what `state` says, and nothing else."""


class Seen:
    """Which architectures were asked or told; isomorphic ones are the same."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.identities: set[str] = set()

    def tell(self, estimates: Sequence[Estimate]) -> list[Estimate]:
        """Remember them; returns those that were evaluated, whether or not it failed."""
        self.identities.update(self.space.identity(self.space.parse(one.architecture)) for one in estimates)
        return [one for one in estimates if one.status != SCREENED]

    def is_new(self, architecture: Architecture) -> bool:
        """Whether it was not seen before; now it is. What may not be evaluated is never new."""
        if not admitted(self.space, architecture):
            return False
        identity = self.space.identity(architecture)
        if identity in self.identities:
            return False
        self.identities.add(identity)
        return True

    def fill(self, count: int, random: Random, draw: Callable[[], Architecture] | None = None) -> list[Architecture]:
        """`count` new architectures made by `draw`, or uniformly drawn; fewer where the space has no more."""
        found: list[Architecture] = []
        while len(found) < count:
            architecture = self._new(random, draw)
            if architecture is None:
                break
            found.append(architecture)
        return found

    def _new(self, random: Random, draw: Callable[[], Architecture] | None) -> Architecture | None:
        if draw is not None:
            for _ in range(TRIES):
                if self.is_new(architecture := draw()):
                    return architecture
        listed = self.space.size() <= LISTED
        # draws within tight limits are slow
        patience = TRIES if listed or isinstance(self.space, Bounded) else PATIENCE
        for _ in range(patience):
            if self.is_new(architecture := self.space.sample(random)):
                return architecture
        if listed:
            left = [one for one in members(self.space) if self.space.identity(one) not in self.identities]
            if not left:
                return None
            self.is_new(architecture := random.choice(left))
            return architecture
        bounded = "; few of them are within search.constraints" if isinstance(self.space, Bounded) else ""
        raise UserError(
            f"space {self.space.name} has {self.space.size()} architectures, isomorphic ones among them{bounded}, and "
            f"in {patience} draws no new one came: ask for fewer evaluations, "
            f"{'loosen the constraints, ' if bounded else ''}or search a larger space"
        )

    def state(self) -> list[str]:
        return sorted(self.identities)

    def restore(self, identities: Sequence[str]) -> None:
        self.identities = set(identities)


def merit_to_json(fitness: float) -> float | None:
    """JSON has no infinity: a failed estimate's merit is null."""
    return fitness if math.isfinite(fitness) else None


def merit_from_json(fitness: float | None) -> float:
    return -math.inf if fitness is None else fitness
