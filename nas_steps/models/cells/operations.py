"""What an edge of a cell computes: one function a name.

To add an operation, write a function under `@operation("its_name")` that returns a module, and add the name to
`nas_steps.spaces.cells.operations`. Definitions follow DARTS (Liu et al. 2019, section 3.1.1 and its published
code's layer
order) and, for `noise`, Zela et al. 2020, section 3: convolutions are ReLU - convolution - batch norm.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.models.convolutions import Conv2d
from nas_steps.spaces.cells.operations import OPERATIONS

#: (channels, stride, affine) -> module: (N, channels, H, W) to (N, channels, ceil(H / stride), ceil(W / stride))
Builder = Callable[[int, int, bool], nn.Module]
_BUILDERS: dict[str, Builder] = {}


def operation(name: str) -> Callable[[Builder], Builder]:
    """Register a builder under the name that architectures use."""

    def register(builder: Builder) -> Builder:
        _BUILDERS[name] = builder
        return builder

    return register


def build_operation(name: str, channels: int, stride: int, affine: bool = True) -> nn.Module:
    """The module of operation `name`; `affine` is that of its batch norms (off while searching)."""
    return _BUILDERS[name](channels, stride, affine)


class Zero(nn.Module):
    """No connection: zeros of the right shape."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])


class Noise(nn.Module):
    """Standard normal noise of the right shape in place of the input, in training and out of it."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return torch.randn_like(x[:, :, :: self.stride, :: self.stride])


class FactorizedReduce(nn.Module):
    """Halve the side by two 1x1 convolutions on pixels that lie one apart diagonally, so that none is unused.

    (N, inputs, H, W) -> (N, outputs, ceil(H / 2), ceil(W / 2)); an odd side is padded by a row of zeros.
    """

    def __init__(self, inputs: int, outputs: int, affine: bool = True) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.first = Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.second = Conv2d(inputs, outputs - outputs // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x)
        shifted = F.pad(x[:, :, 1:, 1:], (0, x.shape[3] % 2, 0, x.shape[2] % 2))
        return self.norm(torch.cat([self.first(x), self.second(shifted)], dim=1))


class ReLUConvNorm(nn.Sequential):
    """ReLU - dense convolution - batch norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, affine: bool = True) -> None:
        super().__init__(
            nn.ReLU(),
            Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, affine=affine),
        )


def _depthwise(channels: int, kernel: int, stride: int, dilation: int, affine: bool) -> list[nn.Module]:
    """ReLU - depthwise - pointwise - batch norm."""
    padding = dilation * (kernel // 2)
    return [
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    ]


@operation("none")
def _none(_channels: int, stride: int, _affine: bool) -> nn.Module:
    return Zero(stride)


@operation("noise")
def _noise(_channels: int, stride: int, _affine: bool) -> nn.Module:
    return Noise(stride)


@operation("skip_connect")
def _skip(channels: int, stride: int, affine: bool) -> nn.Module:
    return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, affine)


@operation("max_pool_3x3")
def _max_pool(_channels: int, stride: int, _affine: bool) -> nn.Module:
    return nn.MaxPool2d(3, stride, padding=1)


@operation("avg_pool_3x3")
def _average_pool(_channels: int, stride: int, _affine: bool) -> nn.Module:
    return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)


@operation("sep_conv_3x3")
def _separable_3(channels: int, stride: int, affine: bool) -> nn.Module:
    return nn.Sequential(*_depthwise(channels, 3, stride, 1, affine), *_depthwise(channels, 3, 1, 1, affine))


@operation("sep_conv_5x5")
def _separable_5(channels: int, stride: int, affine: bool) -> nn.Module:
    return nn.Sequential(*_depthwise(channels, 5, stride, 1, affine), *_depthwise(channels, 5, 1, 1, affine))


@operation("dil_conv_3x3")
def _dilated_3(channels: int, stride: int, affine: bool) -> nn.Module:
    return nn.Sequential(*_depthwise(channels, 3, stride, 2, affine))


@operation("dil_conv_5x5")
def _dilated_5(channels: int, stride: int, affine: bool) -> nn.Module:
    return nn.Sequential(*_depthwise(channels, 5, stride, 2, affine))


@operation("nor_conv_1x1")
def _dense_1(channels: int, stride: int, affine: bool) -> nn.Module:
    return ReLUConvNorm(channels, channels, 1, stride, affine)


@operation("nor_conv_3x3")
def _dense_3(channels: int, stride: int, affine: bool) -> nn.Module:
    return ReLUConvNorm(channels, channels, 3, stride, affine)


if set(_BUILDERS) != set(OPERATIONS):
    raise ImportError(
        "nas_steps.models.cells.operations and nas_steps.spaces.cells.operations name different operations: "
        f"{sorted(set(_BUILDERS) ^ set(OPERATIONS))}"
    )
