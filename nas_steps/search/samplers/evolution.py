"""Ageing evolution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.protocol import Seen, State, fitness_from_json, fitness_to_json
from nas_steps.spaces.protocol import Architecture, Space


class RegularisedEvolution:
    """Ageing evolution (Real et al. 2019, algorithm 1): mutate the winner of a tournament, remove the oldest.

    The children of a round have the same population as parents, since they are evaluated in parallel. Without `ageing`
    the worst is removed (of equals the oldest). A failed architecture ages, but enters no tournament; if all failed,
    architectures are drawn uniformly.
    """

    def __init__(self, space: Space, settings: strategies.Evolution) -> None:
        self.space = space
        self.settings = settings
        self.seen = Seen(space)
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
        population = [[str(architecture), fitness_to_json(fitness)] for architecture, fitness in self.population]
        return {"seen": self.seen.state(), "population": population}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.seen.restore(state["seen"])
        self.population = [
            (self.space.parse(text), fitness_from_json(fitness)) for text, fitness in state["population"]
        ]


def sampler(space: Space, settings: strategies.Evolution) -> RegularisedEvolution:
    return RegularisedEvolution(space, settings)


def round_size(settings: strategies.Evolution, number: int, _evaluations: int) -> int:
    return settings.children if number else settings.population
