"""DrNAS (Chen et al. 2021, sections 3.1 to 3.3)."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.distributions import Dirichlet, kl_divergence

from nas_steps.config.strategies import Drnas, Gradient
from nas_steps.models.cells.mixed_cell import Mix, index
from nas_steps.models.cells.supernet import Supernet
from nas_steps.models.cells.widening import widen
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.darts.learner import Candidate, DartsLearner, Weights
from nas_steps.training.batch_norms import synchronise
from nas_steps.training.checkpoint import State
from nas_steps.training.loop import Batch

#: the least score of an architecture of operations that were not pruned: pruned ones weigh 0, whose log counts as -690
LEAST_SCORE = -600.0
#: the least concentration of an operation
LEAST = 1e-6


class Learner(DartsLearner):
    """Draws the weights from Dirichlet distributions with learnt concentrations, held near the flat distribution.

    With stages, each later one begins by pruning the edges' least operations and widening the mixed channels."""

    settings: Drnas
    weighs_edges = False

    def __init__(self, supernet: Supernet, settings: Drnas, seed: int = 0) -> None:
        #: on the device; it begins anew at each draw
        self.noise = torch.Generator(next(supernet.parameters()).device)
        super().__init__(supernet, settings, seed)
        #: the number of the stage, from 0, that the supernet is in
        self.stage = 0

    @staticmethod
    def k(settings: Gradient) -> int:
        assert isinstance(settings, Drnas)
        return settings.stages[0].parts if settings.stages else 1

    def begin(self, epoch: int, batch: int, valid: Iterator[Batch]) -> None:
        super().begin(epoch, batch, valid)
        while self.stage < stage_of(self.settings, epoch)[0]:
            self.stage += 1
            self._prune(self.settings.stages[self.stage].operations)
            self._widen()

    def warms_up(self) -> bool:
        return stage_of(self.settings, self.epoch)[1] <= self.settings.warmup_epochs

    @torch.no_grad()
    def _prune(self, count: int | None) -> None:
        """Keep the `count` operations of each edge with the largest alphas; pruned alphas are 0 and stay it."""
        if count is None:
            return
        for kind, alphas in self.supernet.alphas.items():
            allowed = self.supernet.allowed(kind)
            order = alphas.masked_fill(~allowed, float("-inf")).argsort(dim=-1, descending=True, stable=True)
            kept = torch.zeros_like(allowed).scatter(1, order[:, :count], True) & allowed
            self.supernet.allow(kind, kept)
            alphas.masked_fill_(~kept, 0)
            if alphas in self.alpha_optimizer.state:
                self.alpha_optimizer.state[alphas]["exp_avg"].masked_fill_(~kept, 0)

    def _widen(self) -> None:
        """Widen to the parts of the stage; momentum is widened as its weights are."""
        parts = self.settings.stages[self.stage].parts
        if parts == self.supernet.k:
            return
        grown = widen(self.supernet, parts, derive_seed(self.seed, "stage", self.stage))
        synchronise(self.supernet)
        before = dict(self.weight_optimizer.state)
        for old, new, wider in grown:
            momentum = before.pop(old, {}).get("momentum_buffer")
            if momentum is not None:
                before[new] = {"momentum_buffer": wider(momentum)}
        self.weights = self.supernet.weights()
        group = {name: value for name, value in self.weight_optimizer.param_groups[0].items() if name != "params"}
        self.weight_optimizer = torch.optim.SGD(self.weights, **group)
        self.weight_optimizer.state.update({one: before[one] for one in self.weights if one in before})
        self.stateful["weight_optimizer"] = self.weight_optimizer

    def state(self) -> State:
        allowed = {kind: self.supernet.allowed(kind).clone() for kind in self.supernet.alphas}
        return {**super().state(), "stage": self.stage, "allowed": allowed}

    def restore(self, state: State) -> None:
        if state["stage"] > self.stage:
            self.stage = state["stage"]
            self._widen()
        for kind, allowed in state["allowed"].items():
            self.supernet.allow(kind, allowed)
        super().restore(state)

    @property
    def active(self) -> dict[str, list[list[bool]]] | None:
        """The operations that are computed: all, unless some are pruned."""
        if not any(stage.operations for stage in self.settings.stages[: self.stage + 1]):
            return None
        columns = range(len(self.supernet.space.operations))
        return {
            kind: [[column in row for column in columns] for row in rows] for kind, rows in self.supernet.places.items()
        }

    def most_likely(self, mix: Weights) -> list[Candidate]:
        """Return the likeliest architectures of operations that were not pruned."""
        first, *others = super().most_likely(mix)
        return [first, *(one for one in others if one[1] > LEAST_SCORE)]

    def draw(self) -> int:
        return int(torch.randint(2**62, (), generator=self.generator))

    def generators(self) -> list[torch.Generator]:
        return [self.noise]

    def seeded(self, drawn: Any) -> None:
        self.noise.manual_seed(drawn)

    def kept(self) -> tuple[object, ...]:
        return (self.stage,)

    def concentrations(self, kind: str) -> list[tuple[Tensor, Tensor]]:
        """Return by edge the places of the operations that it may have, and their concentrations."""
        positive = F.elu(self.supernet.alphas[kind]) + 1
        places = [index(row, positive.device) for row in self.supernet.places[kind]]
        return [(some, row[some]) for some, row in zip(places, positive, strict=True)]

    def mix(self, drawn: Any) -> Mix:
        weights = {}
        if drawn is not None:
            self.noise.manual_seed(drawn)
        for kind, alphas in self.supernet.alphas.items():
            rows = [
                torch.zeros_like(alphas[0]).scatter(
                    0, places, _Sample.apply(concentration.clamp_min(LEAST), self.noise)
                )
                for places, concentration in self.concentrations(kind)
            ]
            weights[kind] = torch.stack(rows)
        return Mix(weights, self.active)

    def expected(self) -> Mix:
        weights = {}
        for kind, alphas in self.supernet.alphas.items():
            positive = (F.elu(alphas) + 1).clamp_min(LEAST) * self.supernet.allowed(kind)
            weights[kind] = positive / positive.sum(-1, keepdim=True)
        return Mix(weights, self.active)

    def regulariser(self) -> Tensor:
        divergences = [
            kl_divergence(_dirichlet(concentration), _dirichlet(torch.ones_like(concentration)))
            for kind in self.supernet.alphas
            for _, concentration in self.concentrations(kind)
        ]
        return self.settings.divergence_weight * torch.stack(divergences).sum()


def stage_of(settings: Drnas, epoch: int) -> tuple[int, int]:
    """Return the number of an epoch's stage, from 0, and the epoch's number in it, from 1, as `epoch` is counted."""
    before = 0
    for number, stage in enumerate(settings.stages):
        if epoch <= before + stage.epochs:
            return number, epoch - before
        before += stage.epochs
    return 0, epoch


def _dirichlet(concentration: Tensor) -> Dirichlet:
    # not validated: alphas that are NaN give weights that are NaN, and a loss that says so
    return Dirichlet(concentration.clamp_min(LEAST), validate_args=False)


class _Sample(torch.autograd.Function):
    """A draw from a Dirichlet distribution by a generator of its own, differentiable as torch's `rsample`."""

    @staticmethod
    def forward(context: Any, concentration: Tensor, generator: torch.Generator) -> Tensor:
        drawn = torch._sample_dirichlet(concentration, generator)
        context.save_for_backward(drawn, concentration)
        return drawn

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        drawn, concentration = context.saved_tensors
        total = concentration.sum(-1, True).expand_as(concentration)
        partial = torch._dirichlet_grad(drawn, concentration, total)
        return partial * (gradient - (drawn * gradient).sum(-1, True)), None
