"""Ageing evolution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.samplers.protocol import Seen, State, merit_from_json, merit_to_json
from nas_steps.spaces.protocol import Architecture, Space


class RegularisedEvolution:
    """Ageing evolution (Real et al. 2019, algorithm 1): the winner of a tournament is mutated, the oldest dies.

    The children of a round are bred from the same population, since they are evaluated side by side. Without `ageing`
    the worst dies (of equals the oldest). What failed is alive and ages, but is in no tournament; where all failed,
    architectures are drawn at random until one does not.
    """

    def __init__(self, space: Space, settings: strategies.Evolution) -> None:
        self.space = space
        self.settings = settings
        self.seen = Seen(space)
        #: architectures and merits, oldest first
        self.population: list[tuple[Architecture, float]] = []

    def ask(self, count: int, random: Random) -> list[Architecture]:
        parents = [member for member in self.population if member[1] > -math.inf]
        return self.seen.fill(count, random, (lambda: self._child(parents, random)) if parents else None)

    def tell(self, estimates: Sequence[Estimate]) -> None:
        for estimate in self.seen.tell(estimates):
            self.population.append((self.space.parse(estimate.architecture), estimate.fitness))
            if len(self.population) > self.settings.population:
                merits = [fitness for _, fitness in self.population]
                del self.population[0 if self.settings.ageing else merits.index(min(merits))]

    def _child(self, parents: list[tuple[Architecture, float]], random: Random) -> Architecture:
        tournament = random.sample(parents, min(self.settings.sample, len(parents)))
        return self.space.mutate(max(tournament, key=lambda member: member[1])[0], random)

    def state(self) -> State:
        population = [[str(architecture), merit_to_json(fitness)] for architecture, fitness in self.population]
        return {"seen": self.seen.state(), "population": population}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.seen.restore(state["seen"])
        self.population = [(self.space.parse(text), merit_from_json(fitness)) for text, fitness in state["population"]]
