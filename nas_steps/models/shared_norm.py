"""Batch norm over the images of all processes that learn a batch together: one sum over them in each direction.

The mean and the squared deviations of each process are combined as by Chan, Golub & LeVeque (1983, equation 2.1), which
loses no digits to a large mean."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nas_steps.models.share import Share, share


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float,
    eps: float,
) -> Tensor:
    """Normalise x (N, C, H, W) in training by the statistics (C,) of the batch, all processes' images included.

    The running statistics are updated. Statistics have the type of the running ones, at least float32."""
    current = share()
    if current is None:
        return F.batch_norm(x, running_mean, running_var, weight, bias, True, momentum, eps)
    statistics = torch.promote_types(x.dtype, torch.float32)
    full = torch.ones(x.shape[1], dtype=statistics, device=x.device)
    normed, mean, variance = _Shared.apply(
        x, full if weight is None else weight, torch.zeros_like(full) if bias is None else bias, eps, current
    )
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            count = pixels(x, current)
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(variance * (count / (count - 1)), momentum)
    return normed


def pixels(x: Tensor, current: Share | None) -> int:
    """Return the pixels of one channel of x (N, C, H, W), those of all processes; N is a multiple of the images."""
    count = x.shape[0] * x.shape[2] * x.shape[3]
    return count if current is None else count // current.own * current.whole


class _Shared(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, current: Share
    ) -> tuple[Tensor, Tensor, Tensor]:
        weight, bias = weight.contiguous(), bias.contiguous()
        mean, variance = combined(*_moments(x), current)
        context.save_for_backward(x, weight, mean, variance)
        context.eps, context.current = eps, current
        context.mark_non_differentiable(mean, variance)
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps), mean, variance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor, *_unused: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight, mean, variance), current = context.saved_tensors, context.current
        # as of a norm by fixed statistics: the sums over the own images
        _, by_weight, by_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, None, None, False, context.eps, [False, True, True]
        )
        of_x = None
        if context.needs_input_grad[0]:
            sums = torch.stack([by_weight, by_bias])
            current.add_up(sums)
            root = torch.rsqrt(variance + context.eps)
            # gradient * factor + x * slope + constant
            factor = weight * root
            by_mean, by_deviation = sums[1] / pixels(x, current), sums[0] / pixels(x, current)
            slope = -factor * root * by_deviation
            constant = -factor * by_mean - slope * mean
            factor, slope, constant = (one.view(1, -1, 1, 1) for one in (factor, slope, constant))
            of_x = torch.addcmul(torch.addcmul(constant, x, slope), gradient, factor).to(x.dtype)
        return of_x, by_weight, by_bias, None, None


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance (C,) of the own images, at least float32."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    # torch's fastest way; the first two tensors only name the type of the statistics
    unused = torch.zeros(2, x.shape[1], dtype=dtype, device=x.device)
    return torch.ops.aten.batch_norm_update_stats(x, unused[0], unused[1], 0.0)


def combined(mean: Tensor, variance: Tensor, current: Share) -> tuple[Tensor, Tensor]:
    """Return the whole batch's mean and variance (C,) from those of the own images."""
    each = torch.zeros(len(current.counts), 2, len(mean), dtype=mean.dtype, device=mean.device)
    torch.stack([mean, variance], out=each[current.rank])
    # the others add zeros to what a process has written: exact, and the same bits in all processes
    current.add_up(each)
    shares = torch.tensor([count / current.whole for count in current.counts], dtype=mean.dtype)
    shares = shares.to(mean.device).unsqueeze(1)
    means, variances = each.unbind(1)
    # no matrix product, which autocast would round to 16 bits
    whole = (shares * means).sum(0)
    return whole, (shares * (variances + (means - whole).square())).sum(0)
