"""Count parameters, multiply-accumulates and activations on torch's meta device, which computes nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Size:
    """Learnt numbers, and multiply-accumulates of one image's forward pass."""

    parameters: int
    macs: int


def count(build: Callable[[], nn.Module], *, inputs: int, side: int) -> Size:
    """Count a network for one image of (inputs, side, side); MACs are those of convolutions and linear layers."""
    model, image = _on_meta(build, inputs, side)
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            # no multiply-accumulate of it is counted, and on the meta device it takes most of the time
            module.forward = _unchanged  # type: ignore[method-assign]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    return Size(sum(parameter.numel() for parameter in model.parameters()), counter.get_total_flops() // 2)


def activation_bytes(build: Callable[[], nn.Module], *, inputs: int, side: int) -> int:
    """Count the bytes of all layers' outputs for one image of (inputs, side, side) in float32.

    In-place layers and identities take no memory of their own; sums and concatenations are not counted. This is about
    what a training keeps of each image, not the peak of an inference.
    """
    total = 0

    def hook(_module: nn.Module, given: tuple[Any, ...], output: object) -> None:
        nonlocal total
        if isinstance(output, Tensor) and not any(output is one for one in given):
            total += output.numel() * 4

    model, image = _on_meta(build, inputs, side)
    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(hook)
    with torch.no_grad():
        model(image)
    return total


def _unchanged(input: Tensor) -> Tensor:
    return input


def _on_meta(build: Callable[[], nn.Module], inputs: int, side: int) -> tuple[nn.Module, Tensor]:
    with torch.device("meta"):
        return build().eval(), torch.empty(1, inputs, side, side)
