"""How large a network is: parameters and multiply-accumulates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Size:
    """`parameters` are learnt numbers; `macs` multiply-accumulates of one image's forward pass."""

    parameters: int
    macs: int


def count(build: Callable[[], nn.Module], *, inputs: int, side: int) -> Size:
    """Count the network that `build` makes, for one image of (inputs, side, side).

    It is built on torch's meta device: nothing is computed and no random number is drawn. MACs are those of
    convolutions and linear layers, as in the literature; a multiply-accumulate is two of torch's FLOPs.
    """
    with torch.device("meta"):
        model = build().eval()
        image = torch.empty(1, inputs, side, side)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    return Size(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        macs=counter.get_total_flops() // 2,
    )
