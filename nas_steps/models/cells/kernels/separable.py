"""Depthwise separable convolutions with batch norm, many edges at once, by a compiled kernel."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nas_steps.models.cells.kernels import library

KERNELS = (3, 5)


class _Separable(torch.autograd.Function):
    """Once differentiable."""

    @staticmethod
    def forward(
        context: Any, x: Tensor, scale: Tensor, nodes: int, stride: int, dilation: int, *weights: Tensor
    ) -> tuple[Tensor, ...]:
        shape = (nodes, stride, dilation)
        x, scale = x.permute(0, 2, 3, 1).contiguous(), scale.contiguous()
        weights = tuple(weight.contiguous() for weight in weights)
        call = torch.ops.nas_steps_separable.forward
        output, maps, means, variances = call(x, weights[::2], weights[1::2], scale, *shape)
        context.save_for_backward(x, scale, *weights, *maps, *means, *variances)
        context.shape = shape
        context.mark_non_differentiable(*means, *variances)
        return output.permute(0, 3, 1, 2), *means, *variances

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor, *_unused: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, *rest = context.saved_tensors
        units = len(rest) // 5
        weights, found = rest[: 2 * units], rest[2 * units :]
        of_x, of_depthwise, of_pointwise, of_scale = torch.ops.nas_steps_separable.backward(
            gradient.permute(0, 2, 3, 1).contiguous(),
            x,
            found[:units],
            found[units : 2 * units],
            found[2 * units :],
            weights[::2],
            weights[1::2],
            scale,
            *context.shape,
            any(context.needs_input_grad[5:]),
            context.needs_input_grad[0],
        )
        of_weights = [one for pair in zip(of_depthwise, of_pointwise, strict=True) for one in pair]
        return (
            of_x.permute(0, 3, 1, 2) if context.needs_input_grad[0] else None,
            of_scale,
            None,
            None,
            None,
            *(of_weights or [None] * len(weights)),
        )


def usable(x: Tensor, kernel: int) -> bool:
    """Return whether `separable` shall compute a training pass on `x` (N, C, H, W).

    Passes without gradients, as those that re-estimate statistics, are torch's own: scores depend on no compiler."""
    return (
        torch.is_grad_enabled()
        and kernel in KERNELS
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
        and library.available()
    )


def separable(
    x: Tensor, weights: Sequence[Tensor], scale: Tensor, nodes: int, *, stride: int, dilation: int
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Apply units of ReLU - depthwise - pointwise - batch norm to states x (N, positions * C, H, W).

    `weights` are a depthwise (E * C, 1, K, K) and a pointwise one (E, C, C) for each unit; only the first has the
    stride. Return each node's sum of its edges times `scale` (E,), (N, nodes * C, H', W'), and for each unit the mean
    and the variance (E, C) of its batch norm."""
    output, *found = _Separable.apply(x, scale, nodes, stride, dilation, *weights)
    units = len(weights) // 2
    return output, list(zip(found[:units], found[units:], strict=True))
