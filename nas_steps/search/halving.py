"""Successive halving as rounds: in each round the best of a rung may train for longer. Imports no torch."""

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from nas_steps.estimation.estimates import SCREENED, Estimate
from nas_steps.search.protocol import Sampler, State, fitness_from_json, fitness_to_json


class Promotions:
    """ASHA's promotions (Li et al. 2020, algorithm 2) around any strategy, in rounds.

    `rungs` are the rising epochs of the rungs; the best 1/`eta` of each are promotable. A round takes these first,
    highest rung first, and asks the strategy for the rest. The strategy learns from the first rung alone.
    """

    def __init__(self, strategy: Sampler, rungs: Sequence[int], eta: int) -> None:
        self.strategy = strategy
        self.rungs = tuple(rungs)
        self.eta = eta
        #: by rung, the fitness of each architecture that was trained there
        self.results: list[dict[str, float]] = [{} for _ in self.rungs]

    def ask(self, count: int, random: Random) -> list[tuple[str, int]]:
        """Return architectures, each with the epochs of its training."""
        asked: list[tuple[str, int]] = []
        for rung in range(len(self.rungs) - 2, -1, -1):
            asked += [(one, self.rungs[rung + 1]) for one in self._promotable(rung)[: count - len(asked)]]
        new = self.strategy.ask(count - len(asked), random) if len(asked) < count else []
        return asked + [(str(architecture), self.rungs[0]) for architecture in new]

    def tell(self, estimates: Sequence[Estimate]) -> None:
        first = []
        for estimate in estimates:
            rung = sum(estimate.architecture in results for results in self.results)
            if rung == 0:
                first.append(estimate)
            if estimate.status != SCREENED:
                self.results[min(rung, len(self.rungs) - 1)][estimate.architecture] = estimate.fitness
        self.strategy.tell(first)

    def state(self) -> State:
        # pairs keep their order, which decides between equals
        rungs = [[(name, fitness_to_json(fitness)) for name, fitness in rung.items()] for rung in self.results]
        return {**self.strategy.state(), "rungs": rungs}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.strategy.restore({name: value for name, value in state.items() if name != "rungs"})
        self.results = [{name: fitness_from_json(fitness) for name, fitness in rung} for rung in state["rungs"]]

    def _promotable(self, rung: int) -> list[str]:
        """Return the best of a rung that were not promoted yet, best first (of equals, the first one)."""
        here = self.results[rung]
        best = sorted(here, key=lambda one: -here[one])[: len(here) // self.eta]
        return [one for one in best if one not in self.results[rung + 1] and here[one] > -math.inf]


def trainings(rungs: int, eta: int, rounds: Sequence[int]) -> list[int]:
    """Count the trainings of each rung if `rounds` are the architectures of each round and no training fails.

    Of a rung, as many are promoted as its best 1/`eta` have grown by. Without successive halving there is one rung.
    """
    counts = [0] * rungs
    for size in rounds:
        left, grown = size, [0] * rungs
        for rung in range(rungs - 2, -1, -1):
            grown[rung + 1] = min(left, max(counts[rung] // eta - counts[rung + 1], 0))
            left -= grown[rung + 1]
        grown[0] = left
        counts = [before + more for before, more in zip(counts, grown, strict=True)]
    return counts
