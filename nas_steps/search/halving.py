"""Successive halving as rounds: in each round the best of a rung may train for longer. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from nas_steps.estimation.estimates import SCREENED, Estimate
from nas_steps.search.samplers.protocol import Sampler, State, merit_from_json, merit_to_json


class Promotions:
    """ASHA's promotions (Li et al. 2020, algorithm 2) around any strategy, a batch a round.

    `rungs` are the epochs of each rung, rising; of a rung's architectures one in `reduction`, the best so far, may go
    on. A round first fills up with those that may, from the highest rung down; the rest is asked of the strategy. That
    is told of the first rung alone, where all architectures can be compared.
    """

    def __init__(self, strategy: Sampler, rungs: Sequence[int], reduction: int) -> None:
        self.strategy = strategy
        self.rungs = tuple(rungs)
        self.reduction = reduction
        #: by rung, the merit of each architecture that was trained there
        self.results: list[dict[str, float]] = [{} for _ in self.rungs]

    def ask(self, count: int, random: Random) -> list[tuple[str, int]]:
        """Architectures and the epochs that each is to be trained for."""
        found: list[tuple[str, int]] = []
        for rung in range(len(self.rungs) - 2, -1, -1):
            found += [(one, self.rungs[rung + 1]) for one in self._promotable(rung)[: count - len(found)]]
        new = self.strategy.ask(count - len(found), random) if len(found) < count else []
        return found + [(str(architecture), self.rungs[0]) for architecture in new]

    def tell(self, estimates: Sequence[Estimate]) -> None:
        first = []
        for estimate in estimates:
            rung = self.rung_after(estimate.architecture)
            if rung == 0:
                first.append(estimate)
            if estimate.status != SCREENED:
                self.results[min(rung, len(self.rungs) - 1)][estimate.architecture] = estimate.fitness
        self.strategy.tell(first)

    def rung_after(self, architecture: str) -> int:
        """The rung at which an architecture would be trained next, from 0."""
        return sum(architecture in rung for rung in self.results)

    def state(self) -> State:
        told = [{name: merit_to_json(fitness) for name, fitness in rung.items()} for rung in self.results]
        return {**self.strategy.state(), "rungs": [[*rung.items()] for rung in told]}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.strategy.restore({name: value for name, value in state.items() if name != "rungs"})
        # pairs, since an object's keys would come back sorted, and of equals the one found first counts
        self.results = [{name: merit_from_json(fitness) for name, fitness in rung} for rung in state["rungs"]]

    def _promotable(self, rung: int) -> list[str]:
        """Of the best of a rung, those that have not gone on, best first; of equals, the one found first."""
        here = self.results[rung]
        best = sorted(here, key=lambda one: -here[one])[: len(here) // self.reduction]
        return [one for one in best if one not in self.results[rung + 1] and here[one] > -math.inf]
