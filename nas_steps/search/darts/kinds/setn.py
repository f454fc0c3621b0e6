"""SETN (Dong & Yang 2019, "One-Shot Neural Architecture Search via Self-Evaluated Template Network", section 3)."""

from random import Random
from typing import Any

import torch

from nas_steps.config.strategies import Setn
from nas_steps.data.batches import DeviceImages
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.search.darts.discretise import most_likely
from nas_steps.search.darts.learner import Candidate, DartsLearner, Weights


class Learner(DartsLearner):
    """Trains the weights along uniformly drawn architectures, and the alphas under their softmax over all operations.

    So the weights do not depend on the alphas: an operation that learns fast is not trained more often for it. In the
    end the network evaluates itself: the likeliest architectures are scored with the shared weights.
    """

    settings: Setn
    replayable = False

    def draw(self) -> int:
        return int(torch.randint(2**62, (), generator=self.generator))

    def mix_for_weights(self, drawn: Any) -> Mix:
        return self.supernet.discrete(self.supernet.space.sample(Random(drawn)))

    def candidates(self, mix: Weights, valid: DeviceImages, _seed: int) -> list[Candidate]:
        space, judged = self.supernet.space, self.judge(valid, fresh=True)
        likeliest = [one for one, _ in most_likely(space, mix, min(self.settings.evaluations, space.size()))]
        self.drawn = len(likeliest)
        scored = [(str(one), judged(self.supernet.discrete(one)), "shared_weights") for one in likeliest]
        return sorted(scored, key=lambda candidate: -candidate[1])[: self.settings.candidates]
