"""The interface of strategies that ask for architectures, and the memory that all of them share."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from nas_steps.errors import UserError
from nas_steps.estimation.estimates import SCREENED, Estimate
from nas_steps.spaces.protocol import Architecture, Bounded, Space, admitted, members

#: draws after which a space that is too large to be listed counts as exhausted
PATIENCE = 10_000
#: draws by a strategy's own method before architectures are drawn uniformly
TRIES = 200
#: spaces with no more strings than this are listed if draws give nothing new
LISTED = 20_000

#: the flat state of a strategy: values as in JSON, and numpy arrays
State = dict[str, Any]


class Prediction(NamedTuple):
    """What a strategy predicted of an architecture that it asked for: the columns of the history.

    - `predicted`: the score, before it was evaluated
    - `prediction_rmse`: the root mean square of the errors of predictions, each for an evaluated architecture that was
      left out of the fit
    - `optimality`: whether the solver proved that no other architecture has a higher prediction; `mip_gap`: by how much
      one could be higher, relative to the objective
    """

    predicted: float
    prediction_rmse: float
    optimality: str
    mip_gap: float


class Sampler(ABC):
    """A strategy, deterministic in the estimates and in the generators of `ask`, `restore` or not.

    `predictions` are what it predicted of the architectures of the last `ask`, by their strings.
    """

    def __init__(self, space: Space, settings: Any = None) -> None:
        self.space, self.settings, self.seen = space, settings, Seen(space)
        self.predictions: dict[str, Prediction] = {}

    @abstractmethod
    def ask(self, count: int, random: Random) -> list[Architecture]:
        """Return the next `count` architectures, isomorphic to none before; fewer if the space has no more."""

    def tell(self, estimates: Sequence[Estimate]) -> None:
        """Learn from the estimates of the last architectures, in the order of asking."""
        self.seen.tell(estimates)

    def state(self) -> State:
        return {"seen": self.seen.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.seen.restore(state["seen"])


class Evaluating(Sampler):
    """A strategy that remembers all evaluations: `evaluated` has the architectures and their fitness, in order."""

    def __init__(self, space: Space, settings: Any = None) -> None:
        super().__init__(space, settings)
        self.evaluated: list[tuple[Architecture, float]] = []

    def tell(self, estimates: Sequence[Estimate]) -> None:
        self.evaluated += [(self.space.parse(one.architecture), one.fitness) for one in self.seen.tell(estimates)]

    def state(self) -> State:
        return {**super().state(), "evaluated": scored_to_json(self.evaluated)}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self.evaluated = scored_from_json(self.space, state["evaluated"])


class Seen:
    """The architectures that were asked or told; isomorphic ones are the same."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.identities: set[str] = set()

    def tell(self, estimates: Sequence[Estimate]) -> list[Estimate]:
        """Remember the architectures; return those that were evaluated, failed or not."""
        self.identities.update(self.space.identity(self.space.parse(one.architecture)) for one in estimates)
        return [one for one in estimates if one.status != SCREENED]

    def is_new(self, architecture: Architecture) -> bool:
        """Whether it is admitted and was not seen before; from now on it was."""
        if not admitted(self.space, architecture):
            return False
        identity = self.space.identity(architecture)
        if identity in self.identities:
            return False
        self.identities.add(identity)
        return True

    def fill(self, count: int, random: Random, draw: Callable[[], Architecture] | None = None) -> list[Architecture]:
        """Return `count` new architectures made by `draw`, or uniformly drawn; fewer if the space has no more."""
        drawn: list[Architecture] = []
        while len(drawn) < count and (architecture := self._new(random, draw)) is not None:
            drawn.append(architecture)
        return drawn

    def _new(self, random: Random, draw: Callable[[], Architecture] | None) -> Architecture | None:
        if draw is not None:
            for _ in range(TRIES):
                if self.is_new(architecture := draw()):
                    return architecture
        listed = self.space.size() <= LISTED
        # draws within tight constraints are slow
        limited = isinstance(self.space, Bounded) and self.space.is_limited
        patience = TRIES if listed or limited else PATIENCE
        for _ in range(patience):
            if self.is_new(architecture := self.space.sample(random)):
                return architecture
        if listed:
            left = [one for one in members(self.space) if self.space.identity(one) not in self.identities]
            if not left:
                return None
            self.is_new(architecture := random.choice(left))
            return architecture
        bounded = "; few of them are within the constraints" if limited else ""
        raise UserError(
            f"space {self.space.name} has {self.space.size()} architectures, isomorphic ones among them{bounded}, and "
            f"in {patience} draws no new one came: ask for fewer evaluations, "
            f"{'loosen the constraints, ' if bounded else ''}or search a larger space"
        )

    def state(self) -> list[str]:
        return sorted(self.identities)

    def restore(self, identities: Sequence[str]) -> None:
        self.identities = set(identities)


def share(evaluations: int, rounds: int, number: int) -> int:
    """Count the architectures of round `number` (from 0) if `evaluations` are spread evenly over the `rounds`.

    It depends on the ratio of both: the first rounds of twice as many evaluations in twice as many rounds are the same.
    """
    return -(-evaluations * (number + 1) // rounds) + (-evaluations * number // rounds)


def fitness_to_json(fitness: float) -> float | None:
    """Write the fitness of a failed estimate, minus infinity, as null: JSON has no infinity."""
    return fitness if math.isfinite(fitness) else None


def fitness_from_json(fitness: float | None) -> float:
    return -math.inf if fitness is None else fitness


def scored_to_json(scored: Sequence[tuple[Architecture, float]]) -> list[list[Any]]:
    return [[str(architecture), fitness_to_json(fitness)] for architecture, fitness in scored]


def scored_from_json(space: Space, rows: Sequence[Sequence[Any]]) -> list[tuple[Architecture, float]]:
    return [(space.parse(text), fitness_from_json(fitness)) for text, fitness in rows]
