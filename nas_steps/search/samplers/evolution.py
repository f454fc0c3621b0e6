"""Ageing evolution."""

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.protocol import Sampler, State, scored_from_json, scored_to_json
from nas_steps.spaces.protocol import Architecture, Space


class RegularisedEvolution(Sampler):
    """Ageing evolution (Real et al. 2019, algorithm 1): mutate the winner of a tournament, remove the oldest.

    All children of a round have the same population as parents. Without `ageing` the worst is removed (of equals the
    oldest). Failed architectures enter no tournament; if all failed, architectures are drawn uniformly.
    """

    def __init__(self, space: Space, settings: strategies.Evolution) -> None:
        super().__init__(space, settings)
        #: (architecture, fitness), oldest first
        self.population: list[tuple[Architecture, float]] = []

    def ask(self, count: int, random: Random) -> list[Architecture]:
        parents = [member for member in self.population if member[1] > -math.inf]
        return self.seen.fill(count, random, (lambda: self._child(parents, random)) if parents else None)

    def tell(self, estimates: Sequence[Estimate]) -> None:
        for estimate in self.seen.tell(estimates):
            self.population.append((self.space.parse(estimate.architecture), estimate.fitness))
            if len(self.population) > self.settings.population:
                fitnesses = [fitness for _, fitness in self.population]
                del self.population[0 if self.settings.ageing else fitnesses.index(min(fitnesses))]

    def _child(self, parents: list[tuple[Architecture, float]], random: Random) -> Architecture:
        tournament = random.sample(parents, min(self.settings.sample, len(parents)))
        return self.space.mutate(max(tournament, key=lambda member: member[1])[0], random)

    def state(self) -> State:
        return {**super().state(), "population": scored_to_json(self.population)}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self.population = scored_from_json(self.space, state["population"])


sampler = RegularisedEvolution


def round_size(settings: strategies.Evolution, number: int, _evaluations: int) -> int:
    return settings.children if number else settings.population
