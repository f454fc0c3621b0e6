"""DrNAS (Chen et al. 2021, sections 3.1 and 3.2)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Dirichlet, kl_divergence

from nas_steps.config.strategies import Drnas
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.search.darts.learner import DartsLearner


class Learner(DartsLearner):
    """Draws the weights from Dirichlet distributions with learnt concentrations, held near the flat distribution."""

    settings: Drnas

    def draw(self) -> int:
        return int(torch.randint(2**62, (), generator=self.generator))

    def concentrations(self, kind: str) -> list[tuple[Tensor, Tensor]]:
        """Return by edge which operations it may have, and their concentrations."""
        positive = F.elu(self.supernet.alphas[kind]) + 1
        return [(allowed, row[allowed]) for allowed, row in zip(self.supernet.allowed(kind), positive, strict=True)]

    def mix(self, drawn: Any) -> Mix:
        weights = {}
        device = self.alphas[0].device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(drawn)
            for kind, alphas in self.supernet.alphas.items():
                rows = [
                    torch.zeros_like(alphas[0]).masked_scatter(allowed, _dirichlet(concentration).rsample())
                    for allowed, concentration in self.concentrations(kind)
                ]
                weights[kind] = torch.stack(rows)
        return Mix(weights)

    def expected(self) -> Mix:
        weights = {}
        for kind, alphas in self.supernet.alphas.items():
            positive = (F.elu(alphas) + 1).clamp_min(1e-6) * self.supernet.allowed(kind)
            weights[kind] = positive / positive.sum(-1, keepdim=True)
        return Mix(weights)

    def regulariser(self) -> Tensor:
        divergences = [
            kl_divergence(_dirichlet(concentration), _dirichlet(torch.ones_like(concentration)))
            for kind in self.supernet.alphas
            for _, concentration in self.concentrations(kind)
        ]
        return self.settings.divergence_weight * torch.stack(divergences).sum()


def _dirichlet(concentration: Tensor) -> Dirichlet:
    # not validated: alphas that are NaN give weights that are NaN, and a loss that says so
    return Dirichlet(concentration.clamp_min(1e-6), validate_args=False)
