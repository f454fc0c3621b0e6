"""Bayesian optimisation."""

import math
from collections.abc import Sequence
from random import Random
from typing import Any

from nas_steps.config import strategies
from nas_steps.search.objectives import check_objectives, foreseen
from nas_steps.search.protocol import Evaluating
from nas_steps.spaces.protocol import Architecture, Space

#: number of the best whose neighbours are predicted
PARENTS = 10


class BayesianSearch(Evaluating):
    """Bayesian optimisation with a kernel that knows architectures (Ru et al. 2021, NAS-BOWL).

    A Gaussian process on the normal scores of what was evaluated predicts the neighbours of the best and uniform draws.
    The largest expected improvement is evaluated; with `objectives`, that of the dominated hypervolume. Within a round,
    each choice counts as evaluated with its predicted score for the next ones (Ginsbourger et al. 2010, kriging
    believer). A failed architecture counts as the worst seen.
    """

    def __init__(self, space: Space, settings: strategies.Bayesian) -> None:
        check_objectives(space, settings.objectives)
        super().__init__(space, settings)

    def ask(self, count: int, random: Random) -> list[Architecture]:
        scores = [fitness for _, fitness in self.evaluated if fitness > -math.inf]
        candidates = self._candidates(random) if scores else []
        chosen = self._chosen(candidates, min(scores), count) if candidates else []
        new = [one for one in chosen if self.seen.is_new(one)]
        return new + self.seen.fill(count - len(new), random)

    def _candidates(self, random: Random) -> list[Architecture]:
        """Draw neighbours of the best and uniform architectures; keep the unseen ones, each once."""
        best = sorted(self.evaluated, key=lambda pair: -pair[1])[:PARENTS]
        near = [other for one, fitness in best if fitness > -math.inf for other in self.space.neighbours(one)]
        random.shuffle(near)
        unseen: dict[str, Architecture] = {}
        for architecture in near:
            if len(unseen) == self.settings.candidates:
                break
            self._add(unseen, architecture)
        for _ in range(self.settings.candidates):
            self._add(unseen, self.space.sample(random))
        return list(unseen.values())

    def _add(self, unseen: dict[str, Architecture], architecture: Architecture) -> None:
        identity = self.space.identity(architecture)
        if identity not in self.seen.identities:
            unseen.setdefault(identity, architecture)

    def _chosen(self, candidates: list[Architecture], worst: float, count: int) -> list[Architecture]:
        """Return the `count` candidates to evaluate, in the order of choosing."""
        # imported here: the Snakefile loads this module
        import numpy as np

        from nas_steps.search.gaussian_process import GaussianProcess, feature_matrices
        from nas_steps.search.improvement import expected_hypervolume_improvement, expected_improvement
        from nas_steps.search.regression import normal_scores, squared_distances

        known = len(self.evaluated)
        y = normal_scores([max(fitness, worst) for _, fitness in self.evaluated])
        rows = [self.space.describe(one) for one in [*(one for one, _ in self.evaluated), *candidates]]
        groups = feature_matrices(rows)
        distances = np.array([squared_distances(group, group) for group in groups])
        first = distances[:, : self.settings.initial, : self.settings.initial]
        # of uniform draws, so that the search does not change it; if these agree, of all
        scale = first.mean(axis=(1, 2))
        scale = np.where(scale > 0, scale, distances.mean(axis=(1, 2)))
        scale = np.where(scale > 0, scale, 1.0)
        process = GaussianProcess(distances[:, :known, :known], y, scale)
        mean, covariance = process.predict(distances[:, known:, :known], distances[:, known:, known:])
        costs = self._costs([*(one for one, _ in self.evaluated), *candidates])
        floor = float(y.min())
        chosen: list[int] = []
        for _ in range(min(count, len(candidates))):
            deviation = np.sqrt(np.maximum(covariance.diagonal(), 0.0))
            if costs is None:
                gains = expected_improvement(mean, deviation, y.max())
            else:
                own = costs[known + np.array(chosen, dtype=int)]
                seen = np.concatenate([costs[:known], own])
                reference = costs.max(axis=0) + 0.1 * (np.ptp(costs, axis=0) + 1e-9)
                gains = expected_hypervolume_improvement(mean, deviation, costs[known:], y, seen, reference, floor)
            gains[chosen] = -math.inf
            # where nothing is expected to improve, the least certain
            best = int(np.lexsort((-deviation, -gains))[0])
            chosen.append(best)
            column = covariance[:, best] / math.sqrt(covariance[best, best] + process.amplitude * process.noise)
            covariance = covariance - np.outer(column, column)
            y = np.append(y, mean[best])
        return [candidates[place] for place in chosen]

    def _costs(self, architectures: Sequence[Architecture]) -> Any:
        """Return the objectives' costs (n, objectives) on a logarithmic scale, None without objectives."""
        if not self.settings.objectives:
            return None
        import numpy as np

        names = self.settings.objectives
        costs = np.array([[foreseen(self.space, one, name) for name in names] for one in architectures])
        # what is maximised is negative; what has both signs has no logarithm
        logarithms = np.sign(costs) * np.log(np.maximum(np.abs(costs), 1e-9))
        return np.where((costs > 0).all(axis=0) | (costs < 0).all(axis=0), logarithms, costs)


sampler = BayesianSearch


def round_size(settings: strategies.Bayesian, number: int, _evaluations: int) -> int:
    return settings.batch if number else settings.initial
