"""One step of a differentiable search: alphas learn from validation images, then weights from training images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.config.strategies import DartsSecondOrder, Gradient, SdartsAdv
from nas_steps.models.cells.supernet import Supernet
from nas_steps.search.darts.relaxations import Mix, Perturbed, relaxation
from nas_steps.search.darts.unrolled import unrolled_gradient
from nas_steps.training.checkpoint import State
from nas_steps.training.loop import Batch
from nas_steps.training.micro_batches import Loss, Parts
from nas_steps.training.supervised import cosine

ALPHA_BETAS = (0.5, 0.999)  # Liu et al. 2019, section A.1.1
#: of projected gradient ascent: the radius can be crossed 2.5 times (Madry et al. 2018, section B)
REACH = 2.5


class DartsLearner:
    """What `fit` calls: an alpha step on the next batch of `valid`, a weight step on the batch that it is given."""

    def __init__(self, supernet: Supernet, settings: Gradient, valid: Iterator[Batch], seed: int = 0) -> None:
        self.supernet = supernet
        self.settings = settings
        self.valid = valid
        self.seed = seed
        self.epoch, self.batch = 1, 0
        self.relaxation = relaxation(supernet, settings)
        self.parts = Parts(supernet)
        self.weights = supernet.weights()
        self.alphas = supernet.architecture()
        self.weight_optimizer = torch.optim.SGD(
            self.weights,
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        self.alpha_optimizer = torch.optim.Adam(
            self.alphas,
            lr=settings.alpha_learning_rate,
            betas=ALPHA_BETAS,
            weight_decay=settings.alpha_weight_decay,
        )

    def begin(self, epoch: int, batch: int, valid: Iterator[Batch]) -> None:
        """Go on with batch number `batch` of `epoch`."""
        self.epoch, self.batch, self.valid = epoch, batch, valid

    def __call__(self, images: Tensor, labels: Tensor, done: float) -> tuple[Tensor, Tensor]:
        self.supernet.train()
        valid = next(self.valid)
        drop = self.settings.drop_path * done
        for group in self.weight_optimizer.param_groups:
            group["lr"] = cosine(self.settings.learning_rate, done, floor=self.settings.learning_rate_min)
        self.relaxation.begin(self.epoch, self.batch, self.seed)
        self.batch += 1
        if self.relaxation.learns and self.epoch > self.settings.warmup_epochs:
            self.learn_alphas((images, labels), valid, drop)
        learn_only(self.weights, frozen=self.alphas)
        drawn = self.relaxation.draw()
        if isinstance(self.settings, SdartsAdv):
            drawn = self.worst_disturbance(images, labels, drop)
            learn_only(self.weights, frozen=self.alphas)
        return self.learn_weights(images, labels, lambda: self.relaxation.mix_for_weights(drawn), drop)

    def learn_weights(
        self, images: Tensor, labels: Tensor, mix: Callable[[], Mix], drop: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """One step of the weights under a mix; the batch's summed loss and number of correct answers."""
        learnt = self.parts.backward(self.weights, images, labels, self.loss_of(mix, drop))
        nn.utils.clip_grad_norm_(self.weights, self.settings.gradient_clip)
        self.weight_optimizer.step()
        return learnt

    def learn_alphas(self, train: Batch, valid: Batch, drop: float) -> None:
        drawn = self.relaxation.draw()
        loss = self.loss_of(lambda: self.relaxation.mix(drawn), drop, regularised=True)
        if isinstance(self.settings, DartsSecondOrder):
            with same_statistics(self.supernet):
                unrolled_gradient(
                    self.parts,
                    self.loss_of(lambda: self.relaxation.mix(drawn), drop),
                    self.weights,
                    self.alphas,
                    train=train,
                    valid=valid,
                    optimizer=self.weight_optimizer,
                    exact=self.settings.hessian == "autograd",
                    twice=self.supernet.differentiable_twice,
                )
        else:
            learn_only(self.alphas, frozen=self.weights)
            self.parts.backward(self.alphas, *valid, loss)
        self.alpha_optimizer.step()

    def worst_disturbance(self, images: Tensor, labels: Tensor, drop: float) -> dict[str, Tensor]:
        """The disturbance of the mix that makes the training loss largest, by projected gradient ascent on the signs
        of the gradient (Chen & Hsieh 2020, section 3.2)."""
        assert isinstance(self.relaxation, Perturbed)
        assert isinstance(self.settings, SdartsAdv)
        radius = self.relaxation.radius
        found = {kind: nn.Parameter(torch.zeros_like(alphas)) for kind, alphas in self.supernet.alphas.items()}
        learn_only([], frozen=[*self.weights, *self.alphas])
        loss = self.loss_of(lambda: self.relaxation.mix_for_weights(found), drop)
        with same_statistics(self.supernet):
            for _ in range(self.settings.steps):
                self.parts.backward(list(found.values()), images, labels, loss)
                with torch.no_grad():
                    for disturbance in found.values():
                        assert disturbance.grad is not None
                        disturbance.add_(disturbance.grad.sign(), alpha=REACH * radius / self.settings.steps)
                        disturbance.clamp_(-radius, radius)
        return {kind: disturbance.detach() for kind, disturbance in found.items()}

    def loss_of(self, mix: Callable[[], Mix], drop: float, *, regularised: bool = False) -> Loss:
        def loss(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            chosen = mix()
            logits = self.supernet(images, chosen.weights, chosen.active, chosen.around, drop)
            found = total = F.cross_entropy(logits, labels)
            if regularised and (more := self.relaxation.regulariser()) is not None:
                total = found + more
            return total, found, (logits.detach().argmax(1) == labels).sum()

        return loss

    def state(self) -> State:
        return {
            "supernet": self.supernet.state_dict(),
            "weight_optimizer": self.weight_optimizer.state_dict(),
            "alpha_optimizer": self.alpha_optimizer.state_dict(),
            "parts": self.parts.count,
        }

    def restore(self, state: State) -> None:
        self.supernet.load_state_dict(state["supernet"])
        self.weight_optimizer.load_state_dict(state["weight_optimizer"])
        self.alpha_optimizer.load_state_dict(state["alpha_optimizer"])
        self.parts.count = state["parts"]


def learn_only(parameters: list[nn.Parameter], *, frozen: list[nn.Parameter]) -> None:
    """Each half of a step computes the gradients that it uses and no others."""
    for parameter in parameters:
        parameter.requires_grad_(True)
    for parameter in frozen:
        parameter.requires_grad_(False)


@contextmanager
def same_statistics(model: nn.Module) -> Iterator[None]:
    """Leave the running statistics of batch norms as they are: passes that no weight learns from are none of theirs."""
    kept = [buffer.clone() for buffer in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, old in zip(model.buffers(), kept, strict=True):
                buffer.copy_(old)
