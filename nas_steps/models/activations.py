"""How much memory a network's activations take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def activation_bytes(build: Callable[[], nn.Module], *, inputs: int, side: int) -> int:
    """Bytes of all forward activations of one image of (inputs, side, side) in float32: what every layer puts out.

    Counted by hooks on torch's meta device, so nothing is computed. A layer is a module without parts; one that
    overwrites or passes on its input (an in-place activation, an identity) takes no memory of its own. Sums and
    concatenations between layers are not counted. It is about what a training keeps of each image, not the peak of an
    inference, which may free each layer's input.
    """
    total = 0

    def hook(_module: nn.Module, given: tuple[Any, ...], output: object) -> None:
        nonlocal total
        if isinstance(output, Tensor) and not any(output is one for one in given):
            total += output.numel() * 4

    with torch.device("meta"):
        model = build().eval()
        image = torch.empty(1, inputs, side, side)
    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(hook)
    with torch.no_grad():
        model(image)
    return total
