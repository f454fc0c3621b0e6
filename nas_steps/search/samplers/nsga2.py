"""NSGA-II: evolution towards several objectives at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from nas_steps.config import strategies
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.samplers.protocol import Seen, State, merit_from_json, merit_to_json
from nas_steps.spaces.constraints import Limited
from nas_steps.spaces.protocol import Architecture, Space


class Member(NamedTuple):
    architecture: Architecture
    #: all are minimised: minus the merit, then the costs
    objectives: tuple[float, ...]


class Nsga2:
    """NSGA-II (Deb et al. 2002).

    Parents and children together are sorted into fronts, the best survive, and in the last front that is not taken
    whole the loneliest (sections III-A, III-B). Two tournaments of two name a child's parents; it is a uniform
    crossover of their decisions, then mutated. An architecture whose training failed is dominated by all others, as a
    constraint that is violated (section VI).
    """

    def __init__(self, space: Space, settings: strategies.Nsga2) -> None:
        if "latency" in settings.objectives and not (isinstance(space, Limited) and space.table.has_latency):
            raise UserError(
                f"objective latency: what the parts of space {space.name} take was not measured; name by --costs a "
                "costs.csv with latencies"
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
            [str(member.architecture), merit_to_json(-member.objectives[0]), *member.objectives[1:]]
            for member in self.population
        ]
        return {"seen": self.seen.state(), "population": population}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.seen.restore(state["seen"])
        self.population = [
            Member(self.space.parse(text), (-merit_from_json(fitness), *costs))
            for text, fitness, *costs in state["population"]
        ]


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether `one` is nowhere larger and somewhere smaller; what failed (infinite at first) is dominated by all
    that did not, and dominates none."""
    if math.isinf(one[0]) or math.isinf(other[0]):
        return one[0] < other[0]
    return tuple(one) != tuple(other) and all(a <= b for a, b in zip(one, other, strict=True))


def non_dominated_fronts(objectives: Sequence[Sequence[float]]) -> list[list[int]]:
    """Indices by front, best first, ascending within each: fast non-dominated sorting (section III-A)."""
    dominated: list[list[int]] = [[] for _ in objectives]
    above = [0] * len(objectives)
    for one in range(len(objectives)):
        for other in range(one):
            for better, worse in ((one, other), (other, one)):
                if dominates(objectives[better], objectives[worse]):
                    dominated[better].append(worse)
                    above[worse] += 1
    fronts = []
    front = [index for index, count in enumerate(above) if count == 0]
    while front:
        fronts.append(front)
        following = []
        for index in front:
            for worse in dominated[index]:
                above[worse] -= 1
                if above[worse] == 0:
                    following.append(worse)
        front = sorted(following)
    return fronts


def crowding_distances(objectives: Sequence[Sequence[float]]) -> list[float]:
    """Of each member of a front: how far apart its neighbours are, in shares of the front (section III-B)."""
    distances = [0.0] * len(objectives)
    for values in zip(*objectives, strict=True):
        order = sorted(range(len(values)), key=values.__getitem__)
        least, most = values[order[0]], values[order[-1]]
        distances[order[0]] = distances[order[-1]] = math.inf
        if not 0 < most - least < math.inf:
            continue
        for place in range(1, len(order) - 1):
            distances[order[place]] += (values[order[place + 1]] - values[order[place - 1]]) / (most - least)
    return distances


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
