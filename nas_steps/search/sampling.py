"""Strategies that ask for architectures and are told what they are worth. Imports no torch.

To add one: a class with `ask` and `tell`, its settings in `nas_steps.config.strategies`, its line in `sampler`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from nas_steps.config import strategies
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import Estimate
from nas_steps.provenance.seeds import derive_seed
from nas_steps.spaces.cells import CellArchitecture, CellSpace

#: how often to draw again after an architecture that was seen before
PATIENCE = 10_000


class Sampler(Protocol):
    """A strategy. Both methods are deterministic in what was told and in the generator that `ask` is given."""

    def ask(self, count: int, random: Random) -> list[CellArchitecture]:
        """The next `count` architectures to evaluate, none of them asked or told before."""

    def tell(self, estimates: Sequence[Estimate]) -> None:
        """What the architectures asked before are worth, in the order of asking."""


class RandomSearch:
    """Uniform sampling without repeats (Li & Talwalkar 2020)."""

    def __init__(self, space: CellSpace) -> None:
        self.space = space
        self.seen: set[str] = set()

    def ask(self, count: int, random: Random) -> list[CellArchitecture]:
        return [self._unseen(random) for _ in range(count)]

    def tell(self, estimates: Sequence[Estimate]) -> None:
        self.seen |= {estimate.architecture for estimate in estimates}

    def _unseen(self, random: Random) -> CellArchitecture:
        return _draw_unseen(lambda: self.space.sample(random), self.seen, self.space)


class RegularisedEvolution:
    """Ageing evolution (Real et al. 2019, algorithm 1): the winner of a tournament is mutated, the oldest dies.

    The children of a round are bred from the same population, since they are evaluated side by side.
    """

    def __init__(self, space: CellSpace, settings: strategies.Evolution) -> None:
        self.space = space
        self.settings = settings
        self.population: deque[tuple[CellArchitecture, float]] = deque(maxlen=settings.population)
        self.seen: set[str] = set()

    def ask(self, count: int, random: Random) -> list[CellArchitecture]:
        return [self._child(random) for _ in range(count)]

    def tell(self, estimates: Sequence[Estimate]) -> None:
        for estimate in estimates:
            self.seen.add(estimate.architecture)
            # a full deque lets its oldest member go
            self.population.append((self.space.parse(estimate.architecture), estimate.merit))

    def _child(self, random: Random) -> CellArchitecture:
        if not self.population:
            return _draw_unseen(lambda: self.space.sample(random), self.seen, self.space)
        return _draw_unseen(lambda: self.space.mutate(self._parent(random), random), self.seen, self.space)

    def _parent(self, random: Random) -> CellArchitecture:
        alive = list(self.population)
        tournament = random.sample(alive, min(self.settings.sample, len(alive)))
        return max(tournament, key=lambda member: member[1])[0]


def _draw_unseen(draw: Callable[[], CellArchitecture], seen: set[str], space: CellSpace) -> CellArchitecture:
    """Draw until something new comes, and remember it."""
    for _ in range(PATIENCE):
        architecture = draw()
        if str(architecture) not in seen:
            seen.add(str(architecture))
            return architecture
    raise UserError(
        f"space {space.name} has {space.size()} architectures, and in {PATIENCE} draws no new one came: "
        "ask for fewer evaluations, or search a larger space"
    )


def sampler(settings: strategies.Random | strategies.Evolution, space: CellSpace) -> Sampler:
    """The strategy that the settings name."""
    if isinstance(settings, strategies.Random):
        return RandomSearch(space)
    return RegularisedEvolution(space, settings)


def rounds(settings: strategies.Random | strategies.Evolution) -> int:
    """In how many rounds a strategy evaluates; random search needs no answers, so it has one."""
    return 1 if isinstance(settings, strategies.Random) else settings.rounds


def round_size(settings: strategies.Random | strategies.Evolution, number: int, random_evaluations: int) -> int:
    """How many architectures round `number` (from 0) evaluates; random search follows the budget."""
    if isinstance(settings, strategies.Random):
        return random_evaluations
    return settings.population if number == 0 else settings.children


def propose(
    settings: strategies.Random | strategies.Evolution,
    space: CellSpace,
    told: Sequence[Sequence[Estimate]],
    *,
    count: int,
    seed: int,
) -> list[str]:
    """The architectures of the next round, given the estimates of all rounds before, oldest first."""
    strategy = sampler(settings, space)
    for estimates in told:
        strategy.tell(estimates)
    count = min(count, space.size() - sum(map(len, told)))
    return [str(architecture) for architecture in strategy.ask(count, Random(derive_seed(seed, len(told))))]
