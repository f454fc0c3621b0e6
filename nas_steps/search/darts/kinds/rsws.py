"""Random search with weight sharing (Li & Talwalkar 2020, section 3.3)."""

from random import Random
from typing import Any

import torch

from nas_steps.config.strategies import Rsws
from nas_steps.data.batches import DeviceImages
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.darts.learner import Candidate, DartsLearner, Weights
from nas_steps.spaces.cells.space import CellArchitecture


class Learner(DartsLearner):
    """Trains an architecture a batch, drawn uniformly, without alphas; ranks uniform candidates by shared weights."""

    learns_alphas = False
    settings: Rsws
    replayable = False

    def draw(self) -> int:
        return int(torch.randint(2**62, (), generator=self.generator))

    def mix(self, drawn: Any) -> Mix:
        return self.supernet.discrete(self.supernet.space.sample(Random(drawn)))

    def expected(self) -> Mix:
        return Mix(self.supernet.probabilities())

    def candidates(self, _mix: Weights, valid: DeviceImages, seed: int) -> list[Candidate]:
        space, evaluations = self.supernet.space, self.settings.evaluations
        random = Random(derive_seed(seed, "ranked by shared weights"))
        drawn: dict[str, CellArchitecture] = {}
        for _ in range(100 * evaluations):
            if len(drawn) == min(evaluations, space.size()):
                break
            architecture = space.sample(random)
            drawn.setdefault(str(architecture), architecture)
        self.drawn = len(drawn)
        judged = self.judge(valid, fresh=True)
        scored: list[Candidate] = [
            (name, judged(self.supernet.discrete(one)), "shared_weights") for name, one in drawn.items()
        ]
        return sorted(scored, key=lambda candidate: -candidate[1])[: self.settings.candidates]
