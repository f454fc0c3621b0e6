"""Score blocks by an additive model of a sample, and find the best combination within the constraints exactly."""

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.protocol import Prediction, Sampler, State, scored_from_json, scored_to_json
from nas_steps.spaces.constraints import Limited, paths_of
from nas_steps.spaces.protocol import Architecture, Space

#: solutions of one round that may be known, evaluated before or isomorphic to one that was: then the rest is drawn
KNOWN = 20


class MilpSearch(Sampler):
    """Block scores and mixed-integer programming in the manner of Puzzle (Bercovich et al. 2024).

    The first round is a uniform sample within the constraints. Then the gain of each block is fitted to all scores by
    least squares, and the architectures with the largest sums of gains are proposed. No-good cuts lead from the best to
    the next. Unlike there, the gains are not those of changing one block of a parent at a time, which found less on
    made-up landscapes (`benchmarks/additive.py`). A failed architecture counts as the worst seen.
    """

    def __init__(self, space: Space, settings: strategies.Milp) -> None:
        super().__init__(space, settings)
        self.evaluated: list[tuple[Architecture, float]] = []
        self._paths = paths_of(space)

    def ask(self, count: int, random: Random) -> list[Architecture]:
        self.predictions = {}
        if all(fitness == -math.inf for _, fitness in self.evaluated):
            return self.seen.fill(count, random)
        new = self._solutions(count)
        # if the solver finds no more, the rest is drawn
        return new + self.seen.fill(count - len(new), random)

    def _solutions(self, count: int) -> list[Architecture]:
        import numpy as np

        from nas_steps.search.additive import AdditiveScore, AdditiveSearch

        worst = min(fitness for _, fitness in self.evaluated if fitness > -math.inf)
        rows = np.array([self._paths.counts(architecture) for architecture, _ in self.evaluated])
        model = AdditiveScore(rows, np.array([max(fitness, worst) for _, fitness in self.evaluated]))
        limited = self.space if isinstance(self.space, Limited) else None
        table, constraints = (limited.table, limited.constraints) if limited else (None, {})
        search = AdditiveSearch(self._paths, model.gains, table, constraints)
        new: list[Architecture] = []
        for _ in range(count + KNOWN):
            if len(new) == count or (solution := search.best()) is None:
                break
            search.exclude(solution.path)
            # the solver keeps limits up to a tolerance, the space exactly
            if self.seen.is_new(solution.architecture):
                predicted = float(model.predict(np.array([self._paths.counts(solution.architecture)]))[0])
                proven = Prediction(
                    predicted, model.rmse, "optimal" if solution.optimal else "not proven", solution.gap
                )
                self.predictions[str(solution.architecture)] = proven
                new.append(solution.architecture)
        return new

    def tell(self, estimates: Sequence[Estimate]) -> None:
        self.evaluated += [(self.space.parse(one.architecture), one.fitness) for one in self.seen.tell(estimates)]

    def state(self) -> State:
        return {**super().state(), "evaluated": scored_to_json(self.evaluated)}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self.evaluated = scored_from_json(self.space, state["evaluated"])


sampler = MilpSearch


def round_size(settings: strategies.Milp, number: int, _evaluations: int) -> int:
    return settings.batch if number else settings.initial
