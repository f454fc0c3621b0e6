"""Tools of several zero-cost proxies: preparation, weights, gradients, the network of positive weights."""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class UndefinedError(Exception):
    """The proxy has no value for this network and these images; the message says why."""


def prepared(model: nn.Module) -> nn.Module:
    """Make all parameters of `model` learn and its batch norms use the batch's own statistics, as the published codes;
    keep all else as in evaluation, so that a score is deterministic."""
    model.eval().requires_grad_(True)
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.train()
    return model


def weights(model: nn.Module) -> list[Tensor]:
    """Return the weights, without biases, of convolutions and linear layers. Raises UndefinedError if it has none."""
    learnt = [module.weight for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    if not learnt:
        raise UndefinedError("the network has no convolution and no linear layer, so no weights to take gradients of")
    return learnt


def loss(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Compute the mean cross-entropy of the minibatch, of text over all of its tokens."""
    logits = model(images)
    return F.cross_entropy(logits.flatten(0, -2), labels.flatten())


def gradients(value: Tensor, of: Sequence[Tensor], create_graph: bool = False) -> tuple[Tensor, ...]:
    """Differentiate the scalar `value`; zeros for what it does not depend on."""
    return torch.autograd.grad(value, of, create_graph=create_graph, materialize_grads=True)


def total(terms: Iterable[Tensor]) -> float:
    """Sum all elements of all terms, in float64 if the device has it."""
    return sum(term.sum().item() if term.device.type == "mps" else term.double().sum().item() for term in terms)


def saliency(value: Tensor, learnt: Sequence[Tensor]) -> float:
    """Sum |W * d value / dW| over the weights `learnt`."""
    slopes = gradients(value, learnt)
    return total((weight * slope).abs().detach() for weight, slope in zip(learnt, slopes, strict=True))


def positive_flow(model: nn.Module, image: Tensor) -> tuple[Tensor, Tensor]:
    """Make `model` positive; return an image of ones, shaped as `image` (C, S, S), and the sum of its logits.

    Parameters become their absolute values, in float64, batch norms the identity, and rectifiers plain ReLUs. So the
    sum adds up all paths from the image to the logits.
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
    """Whether the logits depend on the image (C, S, S). Changes `model`."""
    ones, flow = positive_flow(model, image)
    if not flow.requires_grad:
        return False
    (gradient,) = torch.autograd.grad(flow, ones, allow_unused=True)
    return gradient is not None and bool((gradient != 0).any())
