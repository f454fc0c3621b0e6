"""What SDARTS-RS and SDARTS-ADV share (Chen & Hsieh 2020, section 3)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nas_steps.config.strategies import Sdarts
from nas_steps.models.cells.mixed_cell import Mix, sent
from nas_steps.search.darts.learner import DartsLearner


class SdartsLearner(DartsLearner):
    """Weights learn under a disturbed mix, so that it comes to a flat place; the alphas learn undisturbed.

    `draw` and `worked_out` return disturbances; `mix_for_weights` adds them and goes back to the simplex."""

    settings: Sdarts

    @property
    def radius(self) -> float:
        """The largest disturbance of a weight, which grows linearly over the epochs."""
        return self.settings.radius_min + self.progress * (self.settings.radius - self.settings.radius_min)

    def draw(self) -> dict[str, Tensor]:
        """Draw a disturbance (edges, operations) by kind of cell."""
        return {
            kind: sent((torch.rand(alphas.shape, generator=self.generator) * 2 - 1).to(alphas.dtype), alphas.device)
            * self.radius
            for kind, alphas in self.supernet.alphas.items()
        }

    def mix_for_weights(self, drawn: Any) -> Mix:
        soft = self.supernet.probabilities()
        return Mix({kind: on_simplex(one + drawn[kind], self.supernet.allowed(kind)) for kind, one in soft.items()})


def on_simplex(moved: Tensor, allowed: Tensor) -> Tensor:
    """Clamp weights (edges, operations) to 0 and 1 and divide each edge's by their sum, as the authors' code.

    If nothing is left of an edge, its largest weight becomes 1. Operations that are not `allowed` get 0."""
    largest = moved.masked_fill(~allowed, float("-inf")).argmax(-1)
    clamped = moved.clamp(0, 1) * allowed
    total = clamped.sum(-1, keepdim=True)
    alone = F.one_hot(largest, moved.shape[-1]).to(moved)
    return torch.where(total > 0, clamped / total.clamp_min(torch.finfo(moved.dtype).tiny), alone)
