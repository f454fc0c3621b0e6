"""The proxies by name, and what their definitions share.

To add a proxy, write a function under `@proxy("its_name")` in a module that `nas_steps.estimation.zero_cost` imports.
It is given a copy of the network that it may change as it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

#: (network, images (N, C, S, S), labels (N,)) -> score, higher for better. The network computes as in `prepared`.
Score = Callable[[nn.Module, Tensor, Tensor], float]


@dataclass(frozen=True)
class Proxy:
    """`always` says that the score is defined for networks whose output does not depend on the images, too."""

    name: str
    score: Score
    always: bool = False


PROXIES: dict[str, Proxy] = {}


class UndefinedError(Exception):
    """The proxy has no value for this network and these images; the message says why."""


def proxy(name: str, *, always: bool = False) -> Callable[[Score], Score]:
    """Register a proxy's definition."""

    def register(score: Score) -> Score:
        PROXIES[name] = Proxy(name, score, always)
        return score

    return register


def prepared(model: nn.Module) -> nn.Module:
    """`model` itself, made ready for a proxy: all parameters learnt, batch norms on the batch's own statistics.

    Those are the published codes' settings. All else is as in evaluation: no dropout, no auxiliary head, so that a
    score is not a matter of luck.
    """
    model.eval().requires_grad_(True)
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.train()
    return model


def weights(model: nn.Module) -> list[Tensor]:
    """The weights, without biases, of convolutions and linear layers: what saliencies are summed over."""
    found = [module.weight for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    if not found:
        raise UndefinedError("the network has no convolution and no linear layer, so no weights to take gradients of")
    return found


def loss(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of the minibatch."""
    return F.cross_entropy(model(images), labels)


def total(terms: Iterable[Tensor]) -> float:
    """The sum of all elements of all terms, in float64 where the device has it."""
    return sum(term.sum().item() if term.device.type == "mps" else term.double().sum().item() for term in terms)
