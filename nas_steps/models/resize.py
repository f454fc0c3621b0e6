"""Resize images inside a network, so that its input side is a part of it and of its ONNX file."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Resize(nn.Module):
    """(N, C, H, W) -> (N, C, side, side), bilinear with antialiasing; images that have this side are left alone.

    It has no weights. An exported graph has two products with constant matrices instead, the same function: ONNX's
    operator `Resize` takes four to eight times as long in onnxruntime, and most other runtimes have no antialiasing.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def extra_repr(self) -> str:
        return str(self.side)

    def forward(self, x: Tensor) -> Tensor:
        height, width = int(x.shape[-2]), int(x.shape[-1])
        if height == width == self.side:
            return x
        if torch.compiler.is_exporting() or torch.onnx.is_in_onnx_export():
            rows, columns = (torch.tensor(interpolation(size, self.side), dtype=x.dtype) for size in (height, width))
            return rows @ x @ columns.T
        return F.interpolate(x, size=(self.side, self.side), mode="bilinear", align_corners=False, antialias=True)


def interpolation(size: int, side: int) -> list[list[float]]:
    """Return the matrix (side, size) of weights that resize a row of `size` pixels to `side`: each row sums to 1.

    A pixel is the mean of those under a triangle as wide as the reduction, at least two pixels.
    """
    scale = size / side
    reach = max(scale, 1.0)
    rows = []
    for pixel in range(side):
        centre = (pixel + 0.5) * scale
        weights = [max(0.0, 1 - abs(place + 0.5 - centre) / reach) for place in range(size)]
        total = sum(weights)
        rows.append([weight / total for weight in weights])
    return rows
