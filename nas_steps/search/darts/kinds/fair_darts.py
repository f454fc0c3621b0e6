"""FairDARTS (Chu et al. 2020, sections 3.2 and 3.3)."""

from typing import Any

import torch
from torch import Tensor

from nas_steps.config.strategies import FairDarts
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.search.darts.discretise import entropy_of_gates
from nas_steps.search.darts.learner import DartsLearner, Weights


class Learner(DartsLearner):
    """Sigmoids, so that operations do not compete, and a loss that drives them to 0 or 1."""

    settings: FairDarts

    def mix(self, _drawn: Any) -> Mix:
        alphas = self.supernet.alphas.items()
        return Mix({kind: torch.sigmoid(values) * self.supernet.allowed(kind) for kind, values in alphas})

    def entropy(self, mix: Weights) -> float:
        kinds = ((rows, self.supernet.allowed(kind).tolist()) for kind, rows in mix.items())
        return sum(entropy_of_gates(rows, allowed) for rows, allowed in kinds) / len(mix)

    def regulariser(self) -> Tensor:
        distances = [
            (torch.sigmoid(values) - 0.5)[self.supernet.allowed(kind)].square().mean()
            for kind, values in self.supernet.alphas.items()
        ]
        return -self.settings.zero_one_weight * torch.stack(distances).mean()
