"""The two baselines that any proxy has to beat: how large the network is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nas_steps.estimation.proxies.registry import proxy
from nas_steps.models.count import count


@proxy("params", always=True)
def params(model: nn.Module, _images: Tensor, _labels: Tensor) -> float:
    """Number of learnt numbers. Sign: larger networks are mostly the better ones."""
    return float(sum(parameter.numel() for parameter in model.parameters()))


@proxy("macs", always=True)
def macs(model: nn.Module, images: Tensor, _labels: Tensor) -> float:
    """Multiply-accumulates of one image, see `nas_steps.models.count`. Sign: as of `params`."""
    return float(count(lambda: model.to("meta", torch.float32), inputs=images.shape[1], side=images.shape[2]).macs)
