"""The one place that says which of several equal ways a device computes fastest. The results differ by rounding alone.

CPU: measured (`benchmarks/supernet.py`). CUDA: from the kernels that torch calls; `benchmarks/gpu.py` measures both."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Ways(NamedTuple):
    """How a kind of device computes."""

    #: depthwise convolutions with dilation 2 as ordinary ones of every second pixel. oneDNN's kernels want it. On CUDA
    #: dilation is free, and the copies are launches
    phases: bool
    #: pointwise convolutions and their norms in one where activations leave the cache. On CUDA the covariances are
    #: matrix products of a few rows and many columns, which fill a small part of it
    folds: bool
    #: depthwise convolutions in float32 with channels first: torch's CUDA kernels want it, and channels last go to
    #: cuDNN, which has no fast kernel for them in float32
    channels_first: bool


CPU = Ways(phases=True, folds=True, channels_first=False)
CUDA = Ways(phases=False, folds=False, channels_first=True)
WAYS = {"cpu": CPU, "cuda": CUDA}


def ways(x: Tensor) -> Ways:
    """Return the ways of a tensor's device; those of a CPU if it is none of the known ones."""
    return WAYS.get(x.device.type, CPU)


def depthwise(x: Tensor, weight: Tensor, *, stride: int = 1, padding: int, dilation: int = 1) -> Tensor:
    """Convolve each channel of (N, C, H, W) with its own kernel (C, 1, K, K)."""
    if ways(x).channels_first and not _in_half(x):
        x = x.contiguous()
    return F.conv2d(x, weight, stride=stride, padding=padding, dilation=dilation, groups=x.shape[1])


def _in_half(x: Tensor) -> bool:
    return x.dtype in (torch.float16, torch.bfloat16) or autocasts(x)


def autocasts(x: Tensor) -> bool:
    """Return whether autocast is on for the device of a tensor; not every device has it."""
    return torch.amp.is_autocast_available(x.device.type) and torch.is_autocast_enabled(x.device.type)
