"""A convolution that avoids a fault of oneDNN, the library behind torch's convolutions on a CPU.

The gradient of the weights of a strided 1x1 convolution, channels last, overruns a buffer if its input has fewer
channels than the kernel takes at once (https://github.com/uxlfoundation/oneDNN/issues/6035). The process dies of
SIGSEGV, SIGABRT or SIGBUS, hangs, or goes on with wrong gradients.

Seen with torch 2.14.1 (oneDNN 3.12.0) in float32: with AVX-512 for 2 to 15 channels and sides of 56 pixels or more;
with AVX2 for 2 to 7 channels and sides of 8 pixels or more. Not seen with other channels, sides that the stride does
not divide, padding, groups, other memory formats, bfloat16, SSE4.1 or AVX alone, larger kernels, or stride 1.
"""

import functools
import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: the first release of oneDNN without the fault; None while none is known (upstream: open in September 2026)
MENDED: tuple[int, int, int] | None = None
#: input channels from which on no kernel of oneDNN overruns its buffer
ENOUGH_CHANNELS = 16


class Conv2d(nn.Conv2d):
    """`nn.Conv2d`; with a faulty oneDNN, training drops the pixels that a strided 1x1 convolution skips beforehand.

    It is the same function; the gradients of its weights differ in their last bits.
    """

    def forward(self, x: Tensor) -> Tensor:
        learns = torch.is_grad_enabled() and not torch.compiler.is_exporting()
        if learns and x.device.type == "cpu" and may_corrupt(self) and onednn_is_faulty():
            # the average of one pixel is that pixel; unlike a slice, it is as fast as the strided convolution
            return F.conv2d(F.avg_pool2d(x, 1, self.stride), self.weight, self.bias)
        return super().forward(x)


class SameConv2d(Conv2d):
    """A convolution with TensorFlow's 'same' padding: the side is divided by the stride and rounded up.

    The padding depends on the side; of an odd number of pixels, the larger half is on the right and below.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, *, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, 0, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        (height, width), (kernel, _), (stride, _) = x.shape[-2:], self.kernel_size, self.stride
        down, across = (same_padding(int(size), kernel, stride) for size in (height, width))
        return super().forward(F.pad(x, (*across, *down)) if any((*across, *down)) else x)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the pixels of padding before and behind a row of `size` pixels."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def may_corrupt(convolution: nn.Conv2d) -> bool:
    """Return whether the fault concerns the convolution's kernel, stride and channels."""
    return (
        convolution.kernel_size == (1, 1)
        and convolution.stride != (1, 1)
        and convolution.padding == (0, 0)
        and convolution.groups == 1
        and 1 < convolution.in_channels < ENOUGH_CHANNELS
    )


def onednn_is_faulty() -> bool:
    """Return whether torch uses a oneDNN that is not known to be mended."""
    if not torch.backends.mkldnn.is_available():
        return False
    version = onednn_version(torch.__config__.show())
    return MENDED is None or version is None or version < MENDED


@functools.cache
def onednn_version(config: str) -> tuple[int, int, int] | None:
    """Return the version of oneDNN in the text of torch's configuration, None if it has none."""
    found = re.search(r"(?:MKL-DNN|oneDNN) v(\d+)\.(\d+)\.(\d+)", config)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
