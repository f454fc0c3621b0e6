"""Proxies that differentiate the loss: saliencies from pruning, summed over the network (Abdelfattah et al. 2021).

W runs over the weights of convolutions and linear layers, L is the mean cross-entropy of the minibatch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.estimation.proxies.registry import loss, proxy, total, weights


def _gradients(value: Tensor, of: list[Tensor], create_graph: bool = False) -> tuple[Tensor, ...]:
    """Gradients of the scalar `value`; zeros for what it does not depend on."""
    return torch.autograd.grad(value, of, create_graph=create_graph, materialize_grads=True)


@proxy("grad_norm")
def grad_norm(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The sum over W of ||dL/dW||_2 (Abdelfattah et al. 2021, section 3.2). Sign: as published, no change."""
    return total(gradient.norm() for gradient in _gradients(loss(model, images, labels), weights(model)))


@proxy("snip")
def snip(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The sum over W of |W * dL/dW| (Lee et al. 2019, section 4.1, before it is normalised; Abdelfattah et al. 2021,
    section 3.2).

    Sign: a connection that matters to the loss counts for, as published.
    """
    learnt = weights(model)
    gradients = _gradients(loss(model, images, labels), learnt)
    return total((weight * gradient).abs().detach() for weight, gradient in zip(learnt, gradients, strict=True))


@proxy("grasp")
def grasp(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The sum over W of -W * (H g), with g = dL/dW and H the Hessian of L in W (Wang et al. 2020, section 4;
    Abdelfattah et al. 2021, section 3.2).

    Sign: that of Abdelfattah et al. The temperature is 1 and both derivatives see the same minibatch, as theirs.
    """
    _make_twice_differentiable(model)
    learnt = weights(model)
    gradients = _gradients(loss(model, images, labels), learnt, create_graph=True)
    # g held fixed, the gradient of g . dL/dW is the product H g
    product = sum((gradient.detach() * gradient).sum() for gradient in gradients)
    assert isinstance(product, Tensor)
    curvature = _gradients(product, learnt)
    return total(-(weight * one).detach() for weight, one in zip(learnt, curvature, strict=True))


class _Hardsigmoid(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(x + 3) / 6


def _make_twice_differentiable(model: nn.Module) -> None:
    """Put in place of hard sigmoids, which torch differentiates but once, the same function of what it does twice."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Hardsigmoid):
                setattr(module, name, _Hardsigmoid())


@proxy("fisher")
def fisher(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The sum, over the channels c of what each convolution and linear layer puts out, of

        1/(2N) sum_n (sum_hw a_nchw * dL/da_nchw)^2

    (Theis et al. 2018; Turner et al. 2020, "BlockSwap"; over a whole network in Abdelfattah et al. 2021,
    section 3.2). Each channel counts once, however many weights lead to it. Sign: as published, no change.
    """
    weights(model)
    found: list[Tensor] = []

    def watch(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        activations = output.detach()

        def saliency(gradient: Tensor) -> None:
            by_channel = (activations * gradient).flatten(2).sum(2) if gradient.ndim == 4 else activations * gradient
            found.append(by_channel.square().sum() / (2 * len(by_channel)))

        output.register_hook(saliency)
        # what follows may write in place, into its own copy
        return output.clone()

    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(watch)
    loss(model, images, labels).backward()
    return total(found)
