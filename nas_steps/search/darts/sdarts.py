"""What SDARTS-RS and SDARTS-ADV share (Chen & Hsieh 2020, section 3)."""

from typing import Any

import torch
from torch import Tensor

from nas_steps.config.strategies import Sdarts
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.search.darts.learner import DartsLearner


class SdartsLearner(DartsLearner):
    """Weights learn under a disturbed mix, so that it comes to a flat place; the alphas learn undisturbed."""

    settings: Sdarts

    @property
    def radius(self) -> float:
        """The largest disturbance of a weight, which grows linearly over the epochs."""
        return self.settings.radius_min + self.progress * (self.settings.radius - self.settings.radius_min)

    def draw(self) -> dict[str, Tensor]:
        """Draw a disturbance (edges, operations) by kind of cell."""
        return {
            kind: (torch.rand(alphas.shape, generator=self.generator) * 2 - 1).to(alphas) * self.radius
            for kind, alphas in self.supernet.alphas.items()
        }

    def mix_for_weights(self, drawn: Any) -> Mix:
        weights = {}
        for kind, soft in self.supernet.probabilities().items():
            moved = (soft + drawn[kind]).clamp_min(0) * self.supernet.allowed(kind)
            weights[kind] = moved / moved.sum(-1, keepdim=True).clamp_min(1e-12)
        return Mix(weights)
