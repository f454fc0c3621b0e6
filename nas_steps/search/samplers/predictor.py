"""Predict scores and evaluate what is promising."""

import math
from random import Random

from nas_steps.config import strategies
from nas_steps.search.protocol import Evaluating
from nas_steps.spaces.protocol import Architecture

#: number of the best that are mutated (White et al. 2021, section 4)
PARENTS = 10


class PredictorSearch(Evaluating):
    """A variant of BANANAS (White et al. 2021, algorithm 1): independent Thompson sampling over mutations of the best.

    The ensemble predicts from encoded architectures. Unlike there, it consists of kernel ridge regressions on normal
    scores, and half of the candidates are random. A failed architecture counts as the worst seen.
    """

    def ask(self, count: int, random: Random) -> list[Architecture]:
        if all(fitness == -math.inf for _, fitness in self.evaluated):
            return self.seen.fill(count, random)
        candidates = self._candidates(random)
        if candidates:
            import numpy as np

            from nas_steps.search.regression import KernelRidgeEnsemble, normal_scores

            generator = np.random.default_rng(random.getrandbits(64))
            worst = min(fitness for _, fitness in self.evaluated if fitness > -math.inf)
            ensemble = KernelRidgeEnsemble(
                np.array([self.space.encode(architecture) for architecture, _ in self.evaluated]),
                normal_scores([max(fitness, worst) for _, fitness in self.evaluated]),
                self.settings.ensemble,
                generator,
            )
            mean, deviation = ensemble.predict(np.array([self.space.encode(one) for one in candidates]))
            drawn = generator.normal(mean, deviation)
            candidates = [candidates[place] for place in np.argsort(-drawn, kind="stable")]
        new = [one for one in candidates[:count] if self.seen.is_new(one)]
        return new + self.seen.fill(count - len(new), random)

    def _candidates(self, random: Random) -> list[Architecture]:
        """Draw mutations of the best and random architectures; keep the unseen ones, each once."""
        best = sorted(self.evaluated, key=lambda pair: -pair[1])[:PARENTS]
        parents = [architecture for architecture, fitness in best if fitness > -math.inf]
        mutated = [self.space.mutate(parents[n % len(parents)], random) for n in range(self.settings.candidates)]
        drawn = [self.space.sample(random) for _ in range(self.settings.candidates)]
        unseen: dict[str, Architecture] = {}
        for architecture in [*mutated, *drawn]:
            identity = self.space.identity(architecture)
            if identity not in self.seen.identities:
                unseen.setdefault(identity, architecture)
        return list(unseen.values())


sampler = PredictorSearch


def round_size(settings: strategies.Predictor, number: int, _evaluations: int) -> int:
    return settings.batch if number else settings.initial
