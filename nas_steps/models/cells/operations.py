"""The operations of an edge, one module each (Liu et al. 2019, section 3.1.1; `noise`: Zela et al. 2020, section 3;
`sep_conv_7x7` and `conv_7x1_1x7`: Zoph et al. 2018, section 3, as quark0/darts has them).

A new operation goes into `BUILDERS` and into `nas_steps.spaces.cells.operations`."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.models.convolutions import Conv2d
from nas_steps.spaces.cells.operations import OPERATIONS


class Zero(nn.Module):
    """No connection: zeros of the right shape."""

    fill: Callable[..., Tensor] = staticmethod(torch.zeros_like)

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return self.fill(x[:, :, :: self.stride, :: self.stride])


class Noise(Zero):
    """Standard normal noise of the right shape in place of the input, in training and out of it."""

    fill: Callable[..., Tensor] = staticmethod(torch.randn_like)


def beside(tensors: Sequence[Tensor]) -> Tensor:
    """Join the channels of tensors (N, C, H, W)."""
    return torch.cat(list(tensors), dim=1)


class FactorizedReduce(nn.Module):
    """Halve the side by two 1x1 convolutions on pixels that are one apart diagonally.

    (N, inputs, H, W) -> (N, outputs, ceil(H / 2), ceil(W / 2)); an odd side is padded by a row of zeros."""

    concatenate: Callable[[Sequence[Tensor]], Tensor] = staticmethod(beside)

    def __init__(self, inputs: int, outputs: int, affine: bool = True) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.first = Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.second = Conv2d(inputs, outputs - outputs // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x)
        shifted = F.pad(x[:, :, 1:, 1:], (0, x.shape[3] % 2, 0, x.shape[2] % 2))
        return self.norm(self.concatenate([self.first(x), self.second(shifted)]))


class ReLUConvNorm(nn.Sequential):
    """ReLU - dense convolution - batch norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, affine: bool = True) -> None:
        super().__init__(
            nn.ReLU(),
            Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, affine=affine),
        )


class Factorised(nn.Sequential):
    """ReLU - dense 1x7 convolution - dense 7x1 convolution - batch norm; each has the stride of its own direction."""

    def __init__(self, channels: int, kernel: int, stride: int, affine: bool = True) -> None:
        padding = kernel // 2
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, kernel), (1, stride), (0, padding), bias=False),
            nn.Conv2d(channels, channels, (kernel, 1), (stride, 1), (padding, 0), bias=False),
            nn.BatchNorm2d(channels, affine=affine),
        )


def _depthwise(
    channels: int, kernel: int, stride: int, affine: bool, *, dilation: int = 1, repeats: int = 1
) -> nn.Module:
    """ReLU - depthwise - pointwise - batch norm, `repeats` times; the first one has the stride."""
    layers: list[nn.Module] = []
    for number in range(repeats):
        padding, step = dilation * (kernel // 2), stride if number == 0 else 1
        layers += [
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel, step, padding, dilation, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels, affine=affine),
        ]
    return nn.Sequential(*layers)


#: (channels, stride, affine) -> module: (N, channels, H, W) to (N, channels, ceil(H / stride), ceil(W / stride))
BUILDERS: dict[str, Callable[[int, int, bool], nn.Module]] = {
    "none": lambda _, stride, __: Zero(stride),
    "skip_connect": lambda channels, stride, affine: (
        nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, affine)
    ),
    "noise": lambda _, stride, __: Noise(stride),
    "max_pool_3x3": lambda _, stride, __: nn.MaxPool2d(3, stride, padding=1),
    "avg_pool_3x3": lambda _, stride, __: nn.AvgPool2d(3, stride, padding=1, count_include_pad=False),
    "sep_conv_3x3": lambda channels, stride, affine: _depthwise(channels, 3, stride, affine, repeats=2),
    "sep_conv_5x5": lambda channels, stride, affine: _depthwise(channels, 5, stride, affine, repeats=2),
    "dil_conv_3x3": lambda channels, stride, affine: _depthwise(channels, 3, stride, affine, dilation=2),
    "dil_conv_5x5": lambda channels, stride, affine: _depthwise(channels, 5, stride, affine, dilation=2),
    "nor_conv_1x1": lambda channels, stride, affine: ReLUConvNorm(channels, channels, 1, stride, affine),
    "nor_conv_3x3": lambda channels, stride, affine: ReLUConvNorm(channels, channels, 3, stride, affine),
    "sep_conv_7x7": lambda channels, stride, affine: _depthwise(channels, 7, stride, affine, repeats=2),
    "conv_7x1_1x7": lambda channels, stride, affine: Factorised(channels, 7, stride, affine),
}
if different := set(BUILDERS) ^ set(OPERATIONS):
    raise ImportError(f"models.cells.operations and spaces.cells.operations differ in {sorted(different)}")


def build_operation(name: str, channels: int, stride: int, affine: bool = True) -> nn.Module:
    """Build operation `name`; `affine` is that of its batch norms (off while searching)."""
    return BUILDERS[name](channels, stride, affine)
