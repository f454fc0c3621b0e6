"""Score blocks by an additive model of a sample, and find the best combination within the constraints exactly."""

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from nas_steps.config import strategies
from nas_steps.estimation.estimates import SCREENED, Estimate
from nas_steps.search.protocol import Evaluating, Prediction, State
from nas_steps.spaces.constraints import Limited, paths_of
from nas_steps.spaces.protocol import Architecture, Space

#: solutions of one round that may be isomorphic to known ones or just outside the constraints: then the rest is drawn
KNOWN = 20


class MilpSearch(Evaluating):
    """Block scores and mixed-integer programming in the manner of Puzzle (Bercovich et al. 2024).

    The first round is a uniform sample within the constraints. Then the gain of each block is fitted to all scores by
    least squares, and the architectures with the largest sums of gains are proposed. No-good cuts lead from the best to
    the next. Unlike there, the gains are not those of changing one block of a parent at a time, which found less on
    made-up landscapes (`benchmarks/additive.py`). A failed architecture counts as the worst seen.
    """

    def __init__(self, space: Space, settings: strategies.Milp) -> None:
        super().__init__(space, settings)
        #: what a screen rejected
        self.rejected: list[Architecture] = []
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
        for architecture in (*(one for one, _ in self.evaluated), *self.rejected):
            search.exclude(self._paths.path(architecture))
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
        super().tell(estimates)
        self.rejected += [self.space.parse(one.architecture) for one in estimates if one.status == SCREENED]

    def state(self) -> State:
        return {**super().state(), "rejected": list(map(str, self.rejected))}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self.rejected = list(map(self.space.parse, state["rejected"]))


sampler = MilpSearch


def round_size(settings: strategies.Milp, number: int, _evaluations: int) -> int:
    return settings.batch if number else settings.initial
