"""Synaptic flow: how much of a signal passes through a network whose weights are all positive. It sees no data."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nas_steps.estimation.proxies.registry import UndefinedError, proxy, total, weights


def _positive(model: nn.Module, image: Tensor) -> tuple[Tensor, Tensor]:
    """Make `model` positive; return an image of ones, shaped as `image` (C, S, S), and the sum of its logits.

    Parameters become their absolute values, in float64, batch norms the identity, and rectifiers that bend or are
    bounded above 0 plain ReLUs: so no signal cancels, no ReLU is closed, and the sum adds up all paths from the image
    to the logits.
    """
    # MPS has no float64
    device = torch.device("cpu") if image.device.type == "mps" else image.device
    model.to(device, torch.float64).eval()
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm):
                setattr(module, name, nn.Identity())
            elif isinstance(child, (nn.Hardtanh, nn.Hardswish, nn.SiLU)):
                setattr(module, name, nn.ReLU())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()
    ones = torch.ones(1, *image.shape, dtype=torch.float64, device=device, requires_grad=True)
    return ones, model(ones).sum()


def has_path(model: nn.Module, image: Tensor) -> bool:
    """Whether the logits depend on the image (C, S, S) at all. Changes `model`."""
    ones, flow = _positive(model, image)
    if not flow.requires_grad:
        return False
    (gradient,) = torch.autograd.grad(flow, ones, allow_unused=True)
    return gradient is not None and bool((gradient != 0).any())


@proxy("synflow")
def synflow(model: nn.Module, images: Tensor, _labels: Tensor) -> float:
    """The natural logarithm of the sum over W of W * dR/dW, where R is the sum of the logits of an image of ones in
    the network of absolute parameters (Tanaka et al. 2020, algorithm 1; Abdelfattah et al. 2021, section 3.2).

    W runs over the weights of convolutions and linear layers; batch norms are left out, as by Abdelfattah et al. The
    sum grows exponentially with depth, hence the logarithm. Sign: more flow is better, as published.
    """
    learnt = weights(model)
    _, flow = _positive(model, images[0])
    gradients = torch.autograd.grad(flow, learnt, materialize_grads=True)
    found = total((weight * gradient).abs().detach() for weight, gradient in zip(learnt, gradients, strict=True))
    if not math.isfinite(found):
        raise UndefinedError("the flow is beyond what float64 can hold (1e308): the network is too deep for synflow")
    if found == 0:
        raise UndefinedError("no flow reaches the output, so that its logarithm is minus infinity")
    return math.log(found)
