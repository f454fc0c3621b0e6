"""SDARTS-ADV (Chen & Hsieh 2020, section 3.2)."""

from typing import Any

import torch
from torch import Tensor, nn

from nas_steps.config.strategies import SdartsAdv
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.search.darts.learner import learn_only
from nas_steps.search.darts.sdarts import SdartsLearner, on_simplex
from nas_steps.training.batch_norms import same_statistics

#: of projected gradient ascent: the radius can be crossed twice, from any start to the opposite side
REACH = 2.0


class Learner(SdartsLearner):
    """The disturbance is the worst that projected gradient ascent finds."""

    settings: SdartsAdv

    def kept(self) -> tuple[object, ...]:
        return (self.radius,)

    def worked_out(self, drawn: Any, images: Tensor, labels: Tensor, drop: float) -> dict[str, Tensor]:
        """Return the disturbance that makes the training loss largest; none if the ascent did not raise the loss.

        It starts at the one that was drawn and steps along the signs of the gradient. After each step it is clamped to
        the radius, and the weights go back to the simplex. The supernet evaluates: running statistics, no drop path."""
        allowed = {kind: self.supernet.allowed(kind) for kind in self.supernet.alphas}
        with torch.no_grad():
            soft = self.supernet.probabilities()
            start = {kind: on_simplex(soft[kind] + one, allowed[kind]) for kind, one in drawn.items()}
        worst = {kind: nn.Parameter(one) for kind, one in start.items()}
        parameters = list(worst.values())
        learn_only([], frozen=[*self.weights, *self.alphas])
        undisturbed = self.loss_of(lambda: Mix(soft), drop)
        disturbed = self.loss_of(lambda: Mix(worst), drop)
        self.supernet.eval()
        try:
            with same_statistics(self.supernet):
                before, _ = self.micro_batches.forward(images, labels, undisturbed)
                for _ in range(self.settings.steps):
                    self.micro_batches.backward(parameters, images, labels, disturbed)
                    with torch.no_grad():
                        for kind, one in worst.items():
                            assert one.grad is not None
                            moved = one - soft[kind] + one.grad.sign() * (REACH * self.radius / self.settings.steps)
                            moved = soft[kind] + moved.clamp(-self.radius, self.radius)
                            one.copy_(on_simplex(moved, allowed[kind]))
                after, _ = self.micro_batches.forward(images, labels, disturbed)
        finally:
            self.supernet.train()
        rises = before <= after
        return {
            kind: torch.where(rises, one.detach() - soft[kind], torch.zeros_like(soft[kind]))
            for kind, one in worst.items()
        }
