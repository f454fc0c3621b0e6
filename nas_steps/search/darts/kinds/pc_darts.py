"""PC-DARTS (Xu et al. 2020, section 3)."""

from typing import Any

import torch

from nas_steps.config.strategies import Gradient, PcDarts
from nas_steps.models.cells.mixed_cell import Mix, index
from nas_steps.search.darts.learner import DartsLearner


class Learner(DartsLearner):
    """Operations see 1/K of the channels, the others go around; edges have weights of their own, the betas."""

    @staticmethod
    def k(settings: Gradient) -> int:
        assert isinstance(settings, PcDarts)
        return settings.parts

    def mix(self, _drawn: Any) -> Mix:
        edges = self.supernet.space.edges()
        readers = [
            tuple(place for place, (reader, _) in enumerate(edges) if reader == node)
            for node in range(self.supernet.space.nodes)
        ]
        around = {}
        for kind, betas in self.supernet.betas.items():
            around[kind] = torch.cat([betas[index(places, betas.device)].softmax(0) for places in readers])
        soft = self.supernet.probabilities()
        return Mix({kind: soft[kind] * around[kind].unsqueeze(1) for kind in soft}, around=around)
