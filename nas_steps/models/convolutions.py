"""A convolution that goes around a fault of oneDNN, the library that computes torch's convolutions on a CPU.

For the gradient of the weights of a strided 1x1 convolution, channels last in memory, oneDNN copies the pixels that are
used to a buffer. It writes beyond the buffer's end if fewer channels come in than its kernel takes at once: 16 with
AVX-512, 8 with AVX2 (https://github.com/uxlfoundation/oneDNN/issues/6035). What lies behind is overwritten. The process
dies of SIGSEGV, SIGABRT or SIGBUS; with two threads it may also hang, or go on with wrong gradients.

Seen with torch 2.14.1, which has oneDNN 3.12.0, in float32, of any batch, stride and number of channels that come out:

- with AVX-512, of 2 to 15 channels, at sides of 56 pixels and more;
- with AVX2, of 2 to 7 channels, at sides of 8 pixels and more.

Not seen with 1 channel, 16 channels and more, a side that the stride does not divide, padding, groups, tensors that are
not channels last, bfloat16, SSE4.1 or AVX alone, larger kernels, or stride 1.
"""

from __future__ import annotations

import functools
import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: the first release of oneDNN without the fault; None as long as none is known (upstream: open in September 2026). A
#: release that nobody has tried counts as faulty.
MENDED: tuple[int, int, int] | None = None
#: with so many channels that come in, no kernel of oneDNN writes beyond its buffer
ENOUGH_CHANNELS = 16


class Conv2d(nn.Conv2d):
    """`nn.Conv2d`; where oneDNN is faulty, a strided 1x1 convolution first drops the pixels that it skips.

    It is the same function of the same parameters. The gradients of its weights differ in their last bits. Evaluated,
    counted and exported it is the strided convolution that it says it is.
    """

    def forward(self, x: Tensor) -> Tensor:
        learns = torch.is_grad_enabled() and not torch.compiler.is_exporting()
        if learns and x.device.type == "cpu" and may_corrupt(self) and onednn_is_faulty():
            # the average of one pixel is that pixel; it is as fast as the strided convolution, and slices are not
            return F.conv2d(F.avg_pool2d(x, 1, self.stride), self.weight, self.bias)
        return super().forward(x)


def may_corrupt(convolution: nn.Conv2d) -> bool:
    """Whether the fault concerns convolutions of this kernel, stride and number of channels."""
    return (
        convolution.kernel_size == (1, 1)
        and convolution.stride != (1, 1)
        and convolution.padding == (0, 0)
        and convolution.groups == 1
        and 1 < convolution.in_channels < ENOUGH_CHANNELS
    )


def onednn_is_faulty() -> bool:
    """Whether torch computes convolutions by a oneDNN that is not known to be mended."""
    if not torch.backends.mkldnn.is_available():
        return False
    version = onednn_version(torch.__config__.show())
    return MENDED is None or version is None or version < MENDED


@functools.cache
def onednn_version(config: str) -> tuple[int, int, int] | None:
    """The version of oneDNN in the text of torch's configuration; None if it is not named there."""
    found = re.search(r"(?:MKL-DNN|oneDNN) v(\d+)\.(\d+)\.(\d+)", config)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
