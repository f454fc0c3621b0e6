"""GDAS (Dong & Yang 2019, section 3.2)."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nas_steps.config.strategies import Gdas
from nas_steps.models.cells.mixed_cell import Active, Mix, sent
from nas_steps.search.darts.learner import DartsLearner


class Learner(DartsLearner):
    """Draws one operation an edge and computes it alone; gradients go through the softened draw."""

    settings: Gdas
    replayable = False

    @property
    def temperature(self) -> float:
        """The softness of the draw, which falls linearly over the epochs."""
        return self.settings.temperature + self.progress * (self.settings.temperature_min - self.settings.temperature)

    def draw(self) -> dict[str, Tensor]:
        noise = {}
        for kind, alphas in self.supernet.alphas.items():
            uniform = torch.rand(alphas.shape, generator=self.generator, dtype=torch.float64)
            noise[kind] = -torch.log(-torch.log(uniform.clamp(1e-12, 1 - 1e-12))).to(alphas.dtype)
            noise[kind] = sent(noise[kind], alphas.device)
        return noise

    def mix(self, drawn: Any) -> Mix:
        weights, hards = {}, {}
        for kind, alphas in self.supernet.alphas.items():
            logits = alphas.masked_fill(~self.supernet.allowed(kind), float("-inf")).log_softmax(-1)
            soft = ((logits + drawn[kind]) / self.temperature).softmax(-1)
            hard = F.one_hot(soft.argmax(-1), alphas.shape[1]).to(soft)
            weights[kind] = hard - soft.detach() + soft
            hards[kind] = hard
        return Mix(weights, computed(hards))

    def expected(self) -> Mix:
        """The probabilities of the draw."""
        return Mix(self.supernet.probabilities())

    def reported(self) -> Mix:
        """The likeliest draw: one operation an edge. No batch trains the weighted sum of all operations."""
        weights = {
            kind: F.one_hot(soft.argmax(-1), soft.shape[1]).to(soft)
            for kind, soft in self.supernet.probabilities().items()
        }
        return Mix(weights, computed(weights))


def computed(hards: Mapping[str, Tensor]) -> dict[str, Active]:
    """Return which operations have a weight, by kind of cell.

    The host waits for the device here, once a mix and nowhere else in a step: what it launches next depends on this.
    """
    rows = (torch.stack(list(hards.values())) > 0).tolist()
    return dict(zip(hards, rows, strict=True))
