"""NSGA-II: evolution towards several objectives at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from nas_steps.config import strategies
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.pareto import crowding_distances, non_dominated_fronts
from nas_steps.search.protocol import Seen, State, fitness_from_json, fitness_to_json
from nas_steps.spaces.constraints import Limited
from nas_steps.spaces.protocol import Architecture, Space


class Member(NamedTuple):
    architecture: Architecture
    #: to be minimised: minus the fitness, then the costs
    objectives: tuple[float, ...]


class Nsga2:
    """NSGA-II (Deb et al. 2002).

    Parents and children are sorted into fronts. The best fronts survive; of the last one that does not fit, the least
    crowded members do (sections III-A, III-B). A child is a mutated uniform crossover of two winners of binary
    tournaments. A failed training is dominated by all others, like a violated constraint (section VI).
    """

    def __init__(self, space: Space, settings: strategies.Nsga2) -> None:
        if "latency" in settings.objectives and not (isinstance(space, Limited) and space.table.has_latency):
            raise UserError(
                f"objective latency: what the parts of space {space.name} take was not measured; name by --costs a "
                "blocks.csv with latencies"
            )
        self.space = space
        self.settings = settings
        self.seen = Seen(space)
        self.population: list[Member] = []

    def ask(self, count: int, random: Random) -> list[Architecture]:
        fronts = non_dominated_fronts([member.objectives for member in self.population])
        alive = {index for index, member in enumerate(self.population) if member.objectives[0] < math.inf}
        fitness: dict[int, tuple[int, float]] = {}
        for rank, front in enumerate(fronts):
            crowding = crowding_distances([self.population[index].objectives for index in front])
            fitness |= {
                index: (rank, -distance) for index, distance in zip(front, crowding, strict=True) if index in alive
            }
        return self.seen.fill(count, random, (lambda: self._child(fitness, random)) if fitness else None)

    def tell(self, estimates: Sequence[Estimate]) -> None:
        told = [Member(self.space.parse(one.architecture), self._objectives(one)) for one in self.seen.tell(estimates)]
        self.population = survivors([*self.population, *told], self.settings.population)

    def _objectives(self, estimate: Estimate) -> tuple[float, ...]:
        return (-estimate.fitness, *(self._cost(estimate, name) for name in self.settings.objectives))

    def _cost(self, estimate: Estimate, name: str) -> float:
        if name != "latency":
            return float(getattr(estimate, name))
        assert isinstance(self.space, Limited)
        return self.space.costs(self.space.parse(estimate.architecture)).latency_ms

    def _child(self, fitness: Mapping[int, tuple[int, float]], random: Random) -> Architecture:
        mother, father = (self._winner(fitness, random) for _ in range(2))
        if random.random() < self.settings.crossover:
            mother = crossed(self.space, mother, father, random)
        return self.space.mutate(mother, random)

    def _winner(self, fitness: Mapping[int, tuple[int, float]], random: Random) -> Architecture:
        indices = list(fitness)
        pair = random.sample(indices, min(2, len(indices)))
        return self.population[min(pair, key=fitness.__getitem__)].architecture

    def state(self) -> State:
        population = [
            [str(member.architecture), fitness_to_json(-member.objectives[0]), *member.objectives[1:]]
            for member in self.population
        ]
        return {"seen": self.seen.state(), "population": population}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.seen.restore(state["seen"])
        self.population = [
            Member(self.space.parse(text), (-fitness_from_json(fitness), *costs))
            for text, fitness, *costs in state["population"]
        ]


def survivors(members: Sequence[Member], count: int) -> list[Member]:
    """The `count` best by front, then by crowding distance; they stay in their order."""
    kept: list[int] = []
    for front in non_dominated_fronts([member.objectives for member in members]):
        if len(kept) + len(front) > count:
            crowding = crowding_distances([members[index].objectives for index in front])
            lonely = sorted(range(len(front)), key=lambda place: -crowding[place])
            front = [front[place] for place in lonely[: count - len(kept)]]
        kept += front
    return [members[index] for index in sorted(kept)]


def crossed(space: Space, mother: Architecture, father: Architecture, random: Random) -> Architecture:
    """A child that decides at each place as one of its parents, drawn among those whose choice is possible there."""
    parents = [space.decided(mother), space.decided(father)]
    choices: list[int] = []
    while (decision := space.decision(choices)) is not None:
        place = len(choices)
        taken = [choice[place] for choice in parents if place < len(choice) and choice[place] in decision.allowed]
        choices.append(random.choice(taken or decision.allowed))
    return space.decode(choices)


def sampler(space: Space, settings: strategies.Nsga2) -> Nsga2:
    return Nsga2(space, settings)


def round_size(settings: strategies.Nsga2, number: int, _evaluations: int) -> int:
    return settings.children if number else settings.population
