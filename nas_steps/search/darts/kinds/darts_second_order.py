"""DARTS, second order: the alphas look one step of the weights ahead (Liu et al. 2019, section 2.3).

With w' = w - xi * (momentum * buffer + dL_train/dw + decay * w), the optimiser's next step, the gradient is
dL_val(w', alpha)/dalpha - xi * (d2L_train(w, alpha)/dalpha dw) dL_val(w', alpha)/dw'.

L is one function in all passes of a step: each pass draws the same masks of drop path and the same noise."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nas_steps.config.strategies import DartsSecondOrder
from nas_steps.search.darts.learner import DartsLearner, learn_only
from nas_steps.training.batch_norms import same_statistics
from nas_steps.training.loop import Batch
from nas_steps.training.micro_batches import Loss, random_state, set_random_state

#: 0.01 over the vector's norm is the finite difference's step (Liu et al. 2019, footnote 2)
STEP = 0.01


class Learner(DartsLearner):
    """The alphas' gradient is that of the validation loss one step of the weights ahead."""

    settings: DartsSecondOrder

    def can_replay(self) -> bool:
        """Not if passes draw alike, since the host sets the generators back; nor by gradients of gradients."""
        noisy = "noise" in self.supernet.space.operations
        return super().can_replay() and not noisy and self.settings.hessian == "finite_difference"

    def alpha_gradients(self, train: Batch, valid: Batch, drawn: Any, drop: float) -> None:
        with same_statistics(self.supernet):
            self.unrolled_gradients(train, valid, self.loss_of(lambda: self.mix(drawn), drop))

    def unrolled_gradients(self, train: Batch, valid: Batch, loss: Loss) -> tuple[Tensor, Tensor]:
        """Set the alphas' gradients; the weights are as before, without gradient.

        Return the validation batch's summed loss and hits, one step ahead."""
        xi = self.weight_optimizer.param_groups[0]["lr"]
        redraw = (lambda: None) if self.replays else partial(set_random_state, random_state())
        learn_only(self.weights, frozen=self.alphas)
        self.micro_batches.backward(self.weights, *train, loss)
        before = [weight.detach().clone() for weight in self.weights]
        with torch.no_grad():
            _subtract(self.weights, self._directions(), xi)
        learn_only([*self.weights, *self.alphas], frozen=[])
        redraw()
        sums = self.micro_batches.backward([*self.alphas, *self.weights], *valid, loss)
        ahead, vector = _gradients(self.alphas), _gradients(self.weights)
        with torch.no_grad():
            torch._foreach_copy_([weight.data for weight in self.weights], before)
        if self.settings.hessian == "autograd":
            redraw()
            product = self._exact(train, loss, vector)
        else:
            product = self._difference(train, loss, vector, before, redraw)
        for weight in self.weights:
            weight.grad = None
        _subtract(ahead, product, xi)
        for alpha, gradient in zip(self.alphas, ahead, strict=True):
            alpha.grad = gradient
        return sums

    def _directions(self) -> list[Tensor]:
        """What the optimiser's next step would subtract, over the learning rate."""
        group = self.weight_optimizer.param_groups[0]
        directions = []
        for weight, gradient in zip(self.weights, _gradients(self.weights), strict=True):
            direction = gradient + group["weight_decay"] * weight.detach()
            buffer = self.weight_optimizer.state.get(weight, {}).get("momentum_buffer")
            directions.append(direction if buffer is None else direction + group["momentum"] * buffer)
        return directions

    def _exact(self, train: Batch, loss: Loss, vector: list[Tensor]) -> list[Tensor]:
        """The product with the Hessian, by differentiating through the weights' gradient."""

        def along(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            total, reported, correct = loss(images, labels)
            gradients = torch.autograd.grad(total, self.weights, create_graph=True)
            return sum((g * v).sum() for g, v in zip(gradients, vector, strict=True)), reported, correct  # type: ignore[return-value]

        self.supernet.differentiable_twice(True)
        try:
            self.micro_batches.backward(self.alphas, *train, along)
        finally:
            self.supernet.differentiable_twice(False)
        return _gradients(self.alphas)

    def _difference(
        self, train: Batch, loss: Loss, vector: list[Tensor], before: list[Tensor], redraw: Callable[[], None]
    ) -> list[Tensor]:
        """The product with the Hessian, by the paper's central difference; `redraw` repeats a pass's random numbers."""
        norm = torch.stack(torch._foreach_norm(vector)).norm()
        step = STEP / norm.clamp_min(1e-12)
        learn_only(self.alphas, frozen=self.weights)
        data = [weight.data for weight in self.weights]
        sides = []
        for sign in (1, -1):
            torch._foreach_copy_(data, before)
            _subtract(data, vector, -sign * step)
            redraw()
            self.micro_batches.backward(self.alphas, *train, loss)
            sides.append(_gradients(self.alphas))
        torch._foreach_copy_(data, before)
        learn_only(self.weights, frozen=[])
        return [(above - below) / (2 * step) for above, below in zip(*sides, strict=True)]


def _gradients(parameters: list[nn.Parameter]) -> list[Tensor]:
    return [torch.zeros_like(one) if one.grad is None else one.grad.detach().clone() for one in parameters]


def _subtract(tensors: Sequence[Tensor], others: Sequence[Tensor], times: Tensor | float) -> None:
    """Subtract `times` the others in place; `times` may be a scalar on the device, for which no host waits."""
    if isinstance(times, Tensor) and times.device.type == "cpu":
        times = times.item()
    if isinstance(times, Tensor):
        torch._foreach_sub_(list(tensors), torch._foreach_mul(list(others), times))
        return
    for one, other in zip(tensors, others, strict=True):
        one.sub_(other, alpha=times)
