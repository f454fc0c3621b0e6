"""Fold pointwise convolution and batch norm into one convolution, which also sums a node's edges.

If x has mean m and covariance C over a batch, W x has mean W m and variances diag(W C W'), so the norm and the mixing
weight scale W; the maps are not stored. The results are those of batch norm (Ioffe & Szegedy 2015, algorithm 1),
running statistics included. Small activations, which caches hold, go through torch's batch norm: fewer calls."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.models.cells.by_device import autocasts, ways
from nas_steps.models.share import Share, share
from nas_steps.models.shared_norm import batch_norm, pixels

EPS = 1e-5
MOMENTUM = 0.1
#: numbers of an activation from which on folding is faster than torch's batch norm: 16 MB, which no cache holds
LARGE = 4_000_000


def fold(weight: Tensor, scale: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight (G, O, I) and bias (G, O) of `scale * (weight x - mean) / sqrt(variance)`; others are (G, O)."""
    factor = scale * torch.rsqrt(variance + EPS)
    return weight * factor.unsqueeze(2), -mean * factor


def pointwise(x: Tensor, weight: Tensor, bias: Tensor, nodes: int) -> Tensor:
    """Sum `weight x + bias` over each node's groups, which are neighbours: (N, G * I, H, W) -> (N, nodes * O, H, W)."""
    return F.conv2d(x, _joined(weight, nodes), bias.view(nodes, -1, weight.shape[1]).sum(1).flatten(), groups=nodes)


def _joined(weight: Tensor, nodes: int) -> Tensor:
    """(G, O, I) -> (nodes * O, G / nodes * I, 1, 1): the terms of a sum side by side."""
    groups, outputs, inputs = weight.shape
    side_by_side = weight.view(nodes, groups // nodes, outputs, inputs).transpose(1, 2)
    return side_by_side.reshape(nodes * outputs, groups // nodes * inputs, 1, 1)


def _rows(x: Tensor, groups: int) -> Tensor:
    """(N, G * I, H, W) -> (G, N * H * W, I), without a copy if channels come last in memory."""
    return x.permute(0, 2, 3, 1).reshape(-1, groups, x.shape[1] // groups).transpose(0, 1)


def _products(x: Tensor, y: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Sum x y' and x over images and pixels: (N, G * A, H, W) and (N, G * B, H, W) -> (G, A, B) and (G, A).

    On a CPU a convolution's gradient is up to three times as fast as a batched matrix product. Not differentiable."""
    if groups > 1 and x.device.type == "cpu" and x.dtype == torch.float32:
        weight = x.new_empty(x.shape[1], y.shape[1] // groups, 1, 1)
        products = torch.ops.aten.convolution_backward(
            x, y, weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], groups, [False, True, False]
        )[1]
        return products.view(groups, -1, products.shape[1]), x.sum((0, 2, 3)).view(groups, -1)
    return torch.bmm(_rows(x, groups).transpose(1, 2), _rows(y, groups)), x.sum((0, 2, 3)).view(groups, -1)


class _Folded(torch.autograd.Function):
    """The training pass of `FoldedNorm`, with a backward of two passes over x. Once differentiable."""

    @staticmethod
    def forward(
        context: Any, x: Tensor, weight: Tensor, scale: Tensor, nodes: int, current: Share | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        groups, count = weight.shape[0], pixels(x, current)
        products, sums = _added_up(_products(x, x, groups), current)
        mean = sums / count
        covariance = torch.baddbmm(products, mean.unsqueeze(2), mean.unsqueeze(1), beta=1 / count, alpha=-1)
        projected = torch.bmm(weight, covariance)
        variance = (projected * weight).sum(2).clamp_min_(0)
        moved = torch.bmm(weight, mean.unsqueeze(2)).squeeze(2)
        root = (variance + EPS).rsqrt_()
        factor = scale * root
        context.save_for_backward(x, weight, mean, projected, moved, root, factor)
        context.nodes, context.current = nodes, current
        context.mark_non_differentiable(moved, variance)
        return pointwise(x, weight * factor.unsqueeze(2), -moved * factor, nodes), moved, variance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor, *_unused: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight, mean, projected, moved, root, factor), nodes = context.saved_tensors, context.nodes
        groups, outputs, inputs = weight.shape
        each = groups // nodes
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        # of the folded weight and bias, group by group
        by_weight, by_bias = _products(gradient, x, nodes)
        if each > 1:
            by_weight = by_weight.view(nodes, outputs, each, inputs).transpose(1, 2).reshape(groups, outputs, inputs)
            by_bias = by_bias.repeat_interleave(each, dim=0)
        # through `mapped` and `fold`, by hand
        by_factor = torch.addcmul((by_weight * weight).sum(2), by_bias, moved, value=-1)
        by_moved = (by_bias * factor).neg_()
        by_variance = (by_factor * factor).mul_(root).mul_(root).mul_(-0.5)
        of_weight = of_x = None
        if context.needs_input_grad[1]:
            of_weight = torch.baddbmm(by_weight * factor.unsqueeze(2), by_moved.unsqueeze(2), mean.unsqueeze(1))
            of_weight.addcmul_(by_variance.unsqueeze(2), projected, value=2)
        if context.needs_input_grad[0]:
            count = pixels(x, context.current)
            by_variance, by_moved = _added_up((by_variance, by_moved), context.current)
            by_covariance = torch.bmm(weight.transpose(1, 2), by_variance.unsqueeze(2) * weight).mul_(2 / count)
            constant = torch.baddbmm(
                torch.bmm(by_moved.unsqueeze(1), weight), mean.unsqueeze(1), by_covariance, beta=1 / count, alpha=-1
            )
            back = _joined(weight * factor.unsqueeze(2), nodes)
            back = back.view(nodes, outputs, each * inputs).transpose(1, 2).reshape(groups * inputs, outputs, 1, 1)
            of_x = F.conv2d(gradient, back, groups=nodes)
            of_x += F.conv2d(x, by_covariance.view(groups * inputs, inputs, 1, 1), constant.flatten(), groups=groups)
        return of_x, of_weight, by_factor * root if context.needs_input_grad[2] else None, None, None


def _added_up(tensors: tuple[Tensor, Tensor], current: Share | None) -> tuple[Tensor, Tensor]:
    """Sum two tensors over the processes that learn a batch together, in one message."""
    if current is None:
        return tensors
    flat = torch.cat([one.reshape(-1) for one in tensors])
    current.add_up(flat)
    first, second = flat.split([one.numel() for one in tensors])
    return first.view_as(tensors[0]), second.view_as(tensors[1])


class Normalising(nn.Module):
    """The running statistics (G, O) of G groups with O outputs. `rows` are the groups in use; None: all."""

    #: whether gradients can be differentiated again; it costs time and memory
    twice_differentiable = False

    def __init__(self, groups: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(groups, outputs))
        self.register_buffer("running_var", torch.ones(groups, outputs))
        self.running_mean: Tensor
        self.running_var: Tensor
        #: share of a batch's statistics in the running ones
        self.momentum = MOMENTUM

    @property
    def is_local_and_once_differentiable(self) -> bool:
        """Whether neither other processes' statistics nor second derivatives are wanted."""
        return share() is None and not self.twice_differentiable

    def statistics(self, rows: Tensor | None) -> tuple[Tensor, Tensor]:
        if rows is None:
            return self.running_mean, self.running_var
        return self.running_mean[rows], self.running_var[rows]

    @torch.no_grad()
    def remember(self, mean: Tensor, variance: Tensor, x: Tensor, rows: Tensor | None) -> None:
        """Take the statistics of a batch x (N, ?, H, W) into the running ones."""
        count = pixels(x, share())
        variance = variance * (count / max(count - 1, 1))
        if rows is None:
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance, self.momentum)
        else:
            self.running_mean[rows] = self.running_mean[rows].lerp(mean, self.momentum)
            self.running_var[rows] = self.running_var[rows].lerp(variance, self.momentum)

    def batch_norm(self, x: Tensor, scale: Tensor, rows: Tensor | None) -> Tensor:
        """Apply batch norm in training, times `scale` (G, O)."""
        mean, variance = self.statistics(rows)
        normed = batch_norm(x, mean.view(-1), variance.view(-1), scale.flatten(), None, self.momentum, EPS)
        if rows is not None:
            self.running_mean[rows], self.running_var[rows] = mean, variance
        return normed


class FoldedNorm(Normalising):
    """G pointwise convolutions (weights (G, O, I), initialised as torch's), each before a batch norm, without bias."""

    def __init__(self, groups: int, outputs: int, inputs: int) -> None:
        super().__init__(groups, outputs)
        self.weight = nn.Parameter(torch.empty(groups, outputs, inputs).uniform_(-1, 1) / inputs**0.5)

    def forward(self, x: Tensor, scale: Tensor, nodes: int, rows: Tensor | None = None) -> Tensor:
        """Sum the norms times `scale` (G, O) of each node's groups: (N, G * I, H, W) -> (N, nodes * O, H, W).

        G is the number of `rows`. If x is (N, I, H, W), all groups read it, and each must be a node of its own."""
        weight = self.weight if rows is None else self.weight[rows]
        shape = weight.shape[:2]
        if x.shape[1] == weight.shape[2]:
            # all groups are one, with the outputs of all
            weight, scale, nodes = weight.reshape(1, -1, weight.shape[2]), scale.reshape(1, -1), 1
        if not self.training:
            mean, variance = self.statistics(rows)
            return pointwise(x, *fold(weight, scale, mean.view_as(scale), variance.view_as(scale)), nodes)
        # products of 16-bit numbers would not give the statistics to float32
        exact = x.dtype == weight.dtype and not autocasts(x)
        if self.twice_differentiable or x.numel() < LARGE or not exact or not ways(x).folds:
            return self._plain(x, weight, scale, nodes, rows)
        output, mean, variance = _Folded.apply(x, weight, scale, nodes, share())
        self.remember(mean.detach().view(shape), variance.detach().view(shape), x, rows)
        return output

    def _plain(self, x: Tensor, weight: Tensor, scale: Tensor, nodes: int, rows: Tensor | None) -> Tensor:
        """Compute the same by torch's batch norm: fewer calls, more memory traffic."""
        groups, outputs, inputs = weight.shape
        maps = F.conv2d(x, weight.reshape(groups * outputs, inputs, 1, 1), groups=groups)
        normed = self.batch_norm(maps, scale, rows)
        if groups == nodes:
            return normed
        last = normed.permute(0, 2, 3, 1)
        return last.unflatten(3, (nodes, groups // nodes, outputs)).sum(4).flatten(3).permute(0, 3, 1, 2)


class ScaledNorm(Normalising):
    """Batch norm without affine part, times a scale, behind other operations than a pointwise convolution."""

    def forward(self, x: Tensor, scale: Tensor, rows: Tensor | None = None) -> Tensor:
        """`x` (N, G * O, H, W), `scale` (G, O) -> (N, G * O, H, W)."""
        if not self.training:
            mean, variance = self.statistics(rows)
            factor = (scale * torch.rsqrt(variance + EPS)).view(1, -1, 1, 1)
            return (x - mean.view(1, -1, 1, 1)) * factor
        return self.batch_norm(x, scale, rows)
