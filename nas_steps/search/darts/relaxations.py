"""How alphas weigh the operations of a supernet: what most members of the DARTS family differ in.

A relaxation draws what is random once for each batch (`draw`) and computes the weights from it and the alphas (`mix`),
as often as a batch is learnt in parts. Random numbers come from a generator of its own, so that several processes that
train together draw the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nas_steps.config.strategies import Drnas, FairDarts, Gdas, Gradient, PcDarts, Rsws, Sdarts, SdartsAdv, SdartsRs
from nas_steps.models.cells.supernet import Supernet
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.darts.discretise import one_hot


@dataclass
class Mix:
    """For each kind of cell: weights (edges, operations), the operations that are computed (all if None), and (edges,)
    weights of the channels that go around the operations."""

    weights: Mapping[str, Tensor]
    active: Mapping[str, list[list[bool]]] | None = None
    around: Mapping[str, Tensor] | None = None


class Relaxation:
    """The softmax of DARTS (Liu et al. 2019, equation 2); the others change some of it."""

    #: whether alphas are learnt by gradients
    learns = True

    def __init__(self, supernet: Supernet, settings: Gradient) -> None:
        self.supernet = supernet
        self.settings = settings
        self.generator = torch.Generator()
        self.progress = 0.0

    def begin(self, epoch: int, batch: int, seed: int) -> None:
        """Start batch `batch` (from 0) of epoch `epoch` (from 1): what is drawn depends on these alone."""
        self.generator.manual_seed(derive_seed(seed, epoch, batch))
        self.progress = (epoch - 1) / max(self.settings.epochs - 1, 1)

    def draw(self) -> Any:
        """What is random in a batch."""
        return None

    def mix(self, _drawn: Any) -> Mix:
        """The weights that what was drawn and the alphas make, differentiable in the alphas."""
        return Mix(self.supernet.probabilities())

    def mix_for_weights(self, drawn: Any) -> Mix:
        """The same for a step of the weights."""
        return self.mix(drawn)

    def expected(self) -> Mix:
        """What the alphas stand for, without noise: it is evaluated, and its weights are made discrete."""
        return self.mix(None)

    def regulariser(self) -> Tensor | None:
        """What is added to the loss of the alphas."""
        return None

    def _allowed(self, kind: str) -> Tensor:
        return getattr(self.supernet, f"allowed_{kind}")

    def _alphas(self) -> dict[str, Tensor]:
        return dict(self.supernet.alphas.items())


class Sigmoid(Relaxation):
    """FairDARTS (Chu et al. 2020, sections 3.2 and 3.3): operations do not compete, and a zero-one loss parts them."""

    settings: FairDarts

    def mix(self, _drawn: Any) -> Mix:
        return Mix({kind: torch.sigmoid(alphas) * self._allowed(kind) for kind, alphas in self._alphas().items()})

    def regulariser(self) -> Tensor:
        distances = [
            (torch.sigmoid(alphas) - 0.5)[self._allowed(kind)].square().mean()
            for kind, alphas in self._alphas().items()
        ]
        return -self.settings.zero_one_weight * torch.stack(distances).mean()


class Gumbel(Relaxation):
    """GDAS (Dong & Yang 2019, section 3.2): one operation an edge, drawn; gradients go through the softened draw.

    Only what is drawn is computed, so that an operation that is not gets no gradient of its own.
    """

    settings: Gdas

    @property
    def temperature(self) -> float:
        return self.settings.temperature + self.progress * (self.settings.temperature_min - self.settings.temperature)

    def draw(self) -> dict[str, Tensor]:
        drawn = {}
        for kind, alphas in self._alphas().items():
            uniform = torch.rand(alphas.shape, generator=self.generator, dtype=torch.float64)
            drawn[kind] = -torch.log(-torch.log(uniform.clamp(1e-12, 1 - 1e-12))).to(alphas)
        return drawn

    def mix(self, drawn: Any) -> Mix:
        weights, active = {}, {}
        for kind, alphas in self._alphas().items():
            logits = alphas.masked_fill(~self._allowed(kind), float("-inf")).log_softmax(-1)
            soft = ((logits + drawn[kind]) / self.temperature).softmax(-1)
            hard = F.one_hot(soft.argmax(-1), alphas.shape[1]).to(soft)
            weights[kind] = hard - soft.detach() + soft
            active[kind] = (hard > 0).tolist()
        return Mix(weights, active)

    def expected(self) -> Mix:
        return Mix(self.supernet.probabilities())


class Dirichlet(Relaxation):
    """DrNAS (Chen et al. 2021, sections 3.1 and 3.2): weights are drawn from Dirichlet distributions whose
    concentrations are learnt, held near the flat one by their divergence from it."""

    settings: Drnas

    def draw(self) -> int:
        return int(torch.randint(2**62, (), generator=self.generator))

    def concentrations(self, kind: str) -> list[tuple[Tensor, Tensor]]:
        """Of each edge: which operations it may have, and their concentrations."""
        positive = F.elu(self.supernet.alphas[kind]) + 1
        return [(allowed, row[allowed]) for allowed, row in zip(self._allowed(kind), positive, strict=True)]

    def mix(self, drawn: Any) -> Mix:
        weights = {}
        with torch.random.fork_rng(devices=_devices(self.supernet)):
            torch.manual_seed(drawn)
            for kind, alphas in self._alphas().items():
                rows = []
                for allowed, concentration in self.concentrations(kind):
                    sample = _dirichlet(concentration).rsample()
                    rows.append(torch.zeros_like(alphas[0]).masked_scatter(allowed, sample))
                weights[kind] = torch.stack(rows)
        return Mix(weights)

    def expected(self) -> Mix:
        weights = {}
        for kind, alphas in self._alphas().items():
            positive = (F.elu(alphas) + 1).clamp_min(1e-6) * self._allowed(kind)
            weights[kind] = positive / positive.sum(-1, keepdim=True)
        return Mix(weights)

    def regulariser(self) -> Tensor:
        divergences = []
        for kind in self.supernet.alphas:
            for _, concentration in self.concentrations(kind):
                flat = _dirichlet(torch.ones_like(concentration))
                divergences.append(torch.distributions.kl_divergence(_dirichlet(concentration), flat))
        return self.settings.divergence_weight * torch.stack(divergences).sum()


class Perturbed(Relaxation):
    """SDARTS (Chen & Hsieh 2020, section 3): weights are learnt where the mix is disturbed, so that it comes to lie in
    a flat place. SDARTS-RS draws the disturbance; that of SDARTS-ADV is found by the step of the weights."""

    settings: Sdarts

    @property
    def radius(self) -> float:
        """It grows linearly over the epochs."""
        return self.settings.radius_min + self.progress * (self.settings.radius - self.settings.radius_min)

    def draw(self) -> dict[str, Tensor]:
        return {
            kind: (torch.rand(alphas.shape, generator=self.generator) * 2 - 1).to(alphas) * self.radius
            for kind, alphas in self._alphas().items()
        }

    def mix(self, _drawn: Any) -> Mix:
        return Mix(self.supernet.probabilities())

    def mix_for_weights(self, drawn: Any) -> Mix:
        weights = {}
        for kind, soft in self.supernet.probabilities().items():
            moved = (soft + drawn[kind]).clamp_min(0) * self._allowed(kind)
            weights[kind] = moved / moved.sum(-1, keepdim=True).clamp_min(1e-12)
        return Mix(weights)


class PartialChannels(Relaxation):
    """PC-DARTS (Xu et al. 2020, section 3): operations see some of the channels, and edges are weighed too."""

    settings: PcDarts

    def edge_weights(self) -> dict[str, Tensor]:
        """The softmax over each node's edges: (edges,) a kind."""
        edges = self.supernet.space.edges()
        found = {}
        for kind, betas in self.supernet.betas.items():
            parts = [
                betas[[place for place, (node, _) in enumerate(edges) if node == wanted]].softmax(0)
                for wanted in range(self.supernet.space.nodes)
            ]
            found[kind] = torch.cat(parts)
        return found

    def mix(self, _drawn: Any) -> Mix:
        around = self.edge_weights()
        soft = self.supernet.probabilities()
        return Mix({kind: soft[kind] * around[kind].unsqueeze(1) for kind in soft}, around=around)


class Uniform(Relaxation):
    """Random search with weight sharing (Li & Talwalkar 2020, section 3.3): each batch trains an architecture drawn
    uniformly; there is nothing to learn but the weights."""

    learns = False
    settings: Rsws

    def draw(self) -> int:
        return int(torch.randint(2**62, (), generator=self.generator))

    def mix(self, drawn: Any) -> Mix:
        if drawn is None:
            return Mix(self.supernet.probabilities())
        return discrete(self.supernet, self.supernet.space.sample(Random(drawn)))


def discrete(supernet: Supernet, architecture: Any) -> Mix:
    """The mix in which a supernet computes an architecture alone."""
    places = one_hot(supernet.space, architecture)
    first = next(iter(supernet.alphas.values()))
    weights = {kind: torch.tensor(rows, dtype=first.dtype, device=first.device) for kind, rows in places.items()}
    active = {kind: [[value > 0 for value in row] for row in rows] for kind, rows in places.items()}
    around = {kind: rows.sum(1) for kind, rows in weights.items()} if supernet.betas else None
    return Mix(weights, active, around)


def _dirichlet(concentration: Tensor) -> torch.distributions.Dirichlet:
    # not validated: of alphas that are no numbers come weights that are none, and a loss that tells it
    return torch.distributions.Dirichlet(concentration.clamp_min(1e-6), validate_args=False)


def _devices(supernet: Supernet) -> list[torch.device]:
    device = next(supernet.parameters()).device
    return [device] if device.type == "cuda" else []


RELAXATIONS: dict[type[Gradient], type[Relaxation]] = {
    FairDarts: Sigmoid,
    Gdas: Gumbel,
    Drnas: Dirichlet,
    SdartsRs: Perturbed,
    SdartsAdv: Perturbed,
    PcDarts: PartialChannels,
    Rsws: Uniform,
}


def relaxation(supernet: Supernet, settings: Gradient) -> Relaxation:
    """What the settings ask for."""
    return RELAXATIONS.get(type(settings), Relaxation)(supernet, settings)
