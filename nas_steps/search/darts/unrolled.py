"""The second-order gradient of DARTS: the alphas look one step of the weights ahead (Liu et al. 2019, section 2.3).

With w' = w - xi * (momentum * buffer + dL_train/dw + decay * w), the step that the weights' optimiser would take, the
gradient of L_val(w', alpha) in alpha is

    dL_val(w', alpha)/dalpha - xi * (d2L_train(w, alpha)/dalpha dw) dL_val(w', alpha)/dw'
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nas_steps.training.micro_batches import Loss, Parts

#: 0.01 over the vector's norm is the finite difference's step (Liu et al. 2019, footnote 2)
STEP = 0.01

Batch = tuple[Tensor, Tensor]


def unrolled_gradient(
    parts: Parts,
    loss: Loss,
    weights: list[nn.Parameter],
    alphas: list[nn.Parameter],
    *,
    train: Batch,
    valid: Batch,
    optimizer: torch.optim.SGD,
    exact: bool,
    twice: Callable[[bool], None],
) -> tuple[Tensor, Tensor]:
    """Set the alphas' gradients to those of the unrolled validation loss; the weights are as before, without gradient.

    `exact` differentiates through the weights' gradient, for which `twice` makes the model differentiable twice; else
    the product with the Hessian is the paper's central difference. Returns the validation batch's summed loss and
    number of correct answers.
    """
    xi = optimizer.param_groups[0]["lr"]
    _require(weights, alphas)
    _freeze(alphas)
    parts.backward(weights, *train, loss)
    before = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for weight, direction in zip(weights, _directions(weights, optimizer), strict=True):
            weight.sub_(direction, alpha=xi)
    _require(weights, alphas)
    found = parts.backward([*alphas, *weights], *valid, loss)
    ahead = [_gradient(alpha) for alpha in alphas]
    vector = [_gradient(weight) for weight in weights]
    with torch.no_grad():
        torch._foreach_copy_([weight.data for weight in weights], before)
    product = (
        _exact(parts, loss, weights, alphas, vector, train, twice)
        if exact
        else _difference(parts, loss, weights, alphas, vector, train, before)
    )
    for weight in weights:
        weight.grad = None
    for alpha, first, second in zip(alphas, ahead, product, strict=True):
        alpha.grad = first.sub_(second, alpha=xi)
    return found


def _directions(weights: list[nn.Parameter], optimizer: torch.optim.SGD) -> list[Tensor]:
    """What the optimiser's next step would subtract, over the learning rate."""
    group = optimizer.param_groups[0]
    directions = []
    for weight in weights:
        direction = _gradient(weight) + group["weight_decay"] * weight.detach()
        buffer = optimizer.state.get(weight, {}).get("momentum_buffer")
        if buffer is not None:
            direction = direction + group["momentum"] * buffer
        directions.append(direction)
    return directions


def _exact(
    parts: Parts,
    loss: Loss,
    weights: list[nn.Parameter],
    alphas: list[nn.Parameter],
    vector: list[Tensor],
    train: Batch,
    twice: Callable[[bool], None],
) -> list[Tensor]:
    def along(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        total, reported, correct = loss(images, labels)
        gradients = torch.autograd.grad(total, weights, create_graph=True)
        return sum((g * v).sum() for g, v in zip(gradients, vector, strict=True)), reported, correct  # type: ignore[return-value]

    twice(True)
    try:
        parts.backward(alphas, *train, along)
    finally:
        twice(False)
    return [_gradient(alpha) for alpha in alphas]


def _difference(
    parts: Parts,
    loss: Loss,
    weights: list[nn.Parameter],
    alphas: list[nn.Parameter],
    vector: list[Tensor],
    train: Batch,
    before: list[Tensor],
) -> list[Tensor]:
    norm = torch.stack(torch._foreach_norm(vector)).norm()
    step = float(STEP / norm.clamp_min(1e-12))
    _freeze(weights)
    data = [weight.data for weight in weights]
    sides = []
    for sign in (1, -1):
        torch._foreach_copy_(data, before)
        torch._foreach_add_(data, vector, alpha=sign * step)
        parts.backward(alphas, *train, loss)
        sides.append([_gradient(alpha) for alpha in alphas])
    torch._foreach_copy_(data, before)
    _require(weights, alphas)
    return [(above - below) / (2 * step) for above, below in zip(*sides, strict=True)]


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.detach().clone()


def _require(*groups: list[nn.Parameter]) -> None:
    for group in groups:
        for parameter in group:
            parameter.requires_grad_(True)


def _freeze(parameters: list[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.requires_grad_(False)
