"""NSGA-II: evolution towards several objectives at once."""

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.objectives import check_objectives, cost_of
from nas_steps.search.pareto import crowding_distances, non_dominated_fronts
from nas_steps.search.protocol import Sampler, State, fitness_from_json, fitness_to_json
from nas_steps.spaces.protocol import Architecture, Space


class Member(NamedTuple):
    architecture: Architecture
    #: to be minimised: minus the fitness, then the costs
    objectives: tuple[float, ...]


class Nsga2(Sampler):
    """NSGA-II (Deb et al. 2002).

    The best fronts of parents and children survive; of the first that does not fit, the least crowded members do
    (sections III-A, III-B). A child is a mutated uniform crossover of two winners of binary tournaments. All others
    dominate a failed training, like a violated constraint (section VI).
    """

    def __init__(self, space: Space, settings: strategies.Nsga2) -> None:
        check_objectives(space, settings.objectives)
        super().__init__(space, settings)
        self.population: list[Member] = []

    def ask(self, count: int, random: Random) -> list[Architecture]:
        fronts = non_dominated_fronts([member.objectives for member in self.population])
        fitness: dict[int, tuple[int, float]] = {}
        for rank, front in enumerate(fronts):
            objectives = [self.population[index].objectives for index in front]
            for index, own, distance in zip(front, objectives, crowding_distances(objectives), strict=True):
                if own[0] < math.inf:  # it has not failed
                    fitness[index] = (rank, -distance)
        return self.seen.fill(count, random, (lambda: self._child(fitness, random)) if fitness else None)

    def tell(self, estimates: Sequence[Estimate]) -> None:
        new = [self._member(estimate) for estimate in self.seen.tell(estimates)]
        self.population = survivors([*self.population, *new], self.settings.population)

    def _member(self, estimate: Estimate) -> Member:
        architecture = self.space.parse(estimate.architecture)
        costs = [cost_of(self.space, architecture, estimate, name) for name in self.settings.objectives]
        return Member(architecture, (-estimate.fitness, *costs))

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
        return {**super().state(), "population": population}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self.population = [
            Member(self.space.parse(text), (-fitness_from_json(fitness), *costs))
            for text, fitness, *costs in state["population"]
        ]


def survivors(members: Sequence[Member], count: int) -> list[Member]:
    """Return the `count` best by front, then by crowding distance, in their order."""
    kept: list[int] = []
    for front in non_dominated_fronts([member.objectives for member in members]):
        if len(kept) + len(front) > count:
            crowding = crowding_distances([members[index].objectives for index in front])
            lonely = sorted(range(len(front)), key=lambda place: -crowding[place])
            front = [front[place] for place in lonely[: count - len(kept)]]
        kept += front
    return [members[index] for index in sorted(kept)]


def crossed(space: Space, mother: Architecture, father: Architecture, random: Random) -> Architecture:
    """Cross two parents: each decision is drawn from the parents' choices that are possible there."""
    parents = [space.decided(mother), space.decided(father)]
    choices: list[int] = []
    while (decision := space.decision(choices)) is not None:
        place = len(choices)
        taken = [choice[place] for choice in parents if place < len(choice) and choice[place] in decision.allowed]
        choices.append(random.choice(taken or decision.allowed))
    return space.decode(choices)


sampler = Nsga2


def round_size(settings: strategies.Nsga2, number: int, _evaluations: int) -> int:
    return settings.children if number else settings.population
