"""The operations of many edges at once: one depthwise call for all, one grouped pointwise call for all.

Each edge computes the same as the module of `nas_steps.models.cells.operations`. One parameter holds all edges."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.models.cells.by_device import depthwise, ways
from nas_steps.models.cells.folding import FoldedNorm, ScaledNorm
from nas_steps.models.cells.kernels.separable import separable, usable
from nas_steps.models.share import own_rows


def repeated(x: Tensor, times: int) -> Tensor:
    """(N, C, H, W) -> (N, times * C, H, W), channels last in memory."""
    last = x.permute(0, 2, 3, 1).unsqueeze(3)
    return last.expand(-1, -1, -1, times, -1).reshape(*last.shape[:3], -1).permute(0, 3, 1, 2)


def phases(x: Tensor) -> Tensor:
    """Split into four images of every second pixel: (N, C, H, W) of even sides -> (4 * N, C, H / 2, W / 2)."""
    images, channels, height, width = x.shape
    split = x.permute(0, 2, 3, 1).reshape(images, height // 2, 2, width // 2, 2, channels)
    return split.permute(2, 4, 0, 1, 3, 5).reshape(4 * images, height // 2, width // 2, channels).permute(0, 3, 1, 2)


def unphased(x: Tensor) -> Tensor:
    """Invert `phases`."""
    four, channels, height, width = x.shape
    split = x.permute(0, 2, 3, 1).reshape(2, 2, four // 4, height, width, channels)
    return split.permute(2, 3, 0, 4, 1, 5).reshape(four // 4, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


class Sources:
    """The states that an edge group reads, and their ReLU, computed once for several operations."""

    def __init__(self, states: Sequence[Tensor]) -> None:
        self.states = states
        self._kept: dict[Any, Tensor] = {}

    def positive(
        self, positions: tuple[int, ...], nodes: int, *, in_phases: bool = False, first: bool = False
    ) -> Tensor:
        """ReLU of the states side by side, for each node: all pixels, `in_phases` (`phases`) or the `first` of two."""
        key = (positions, nodes, in_phases, first)
        if key not in self._kept:
            if nodes > 1:
                state = repeated(self.positive(positions, 1, in_phases=in_phases, first=first), nodes)
            elif in_phases:
                state = phases(self.positive(positions, 1))
            elif first:
                state = self.positive(positions, 1)[:, :, ::2, ::2].contiguous(memory_format=torch.channels_last)
            else:
                state = F.relu(torch.cat([self.states[position] for position in positions], dim=1))
            self._kept[key] = state
        return self._kept[key]

    def joined(self, positions: tuple[int, ...]) -> Tensor:
        """The states side by side, channels last in memory."""
        if positions not in self._kept:
            state = torch.cat([self.states[position] for position in positions], dim=1)
            self._kept[positions] = state.contiguous(memory_format=torch.channels_last)
        return self._kept[positions]


class Block(NamedTuple):
    """Edges of an operation from the states at `positions` to each of `nodes`, node by node, computed by one call.

    `edges` are their numbers in the group, `rows` those in the operation's parameters; None: all, in order."""

    nodes: tuple[int, ...]
    positions: tuple[int, ...]
    edges: tuple[int, ...] | None
    rows: tuple[int, ...] | None


class Stacked(nn.Module):
    """One operation on E edges of a group. `stride` is 1 or 2."""

    def __init__(self, edges: int, channels: int, stride: int, kernel: int = 1) -> None:
        super().__init__()
        self.edges, self.channels, self.stride, self.kernel = edges, channels, stride, kernel

    def forward(self, sources: Sources, block: Block, scale: Tensor, rows: Tensor | None) -> Tensor:
        """Sum a block's states for each of its nodes: (N, nodes * C, H, W).

        `scale` (nodes * states,) weighs the edges, node by node; `rows` are the block's, as a tensor."""
        raise NotImplementedError

    def _compiled(
        self, sources: Sources, block: Block, scale: Tensor, rows: Tensor | None, *, dilation: int = 1
    ) -> Tensor | None:
        """Return `forward`'s result by the compiled kernel; None if it does not serve here."""
        x, units = sources.states[block.positions[0]], self._units()
        pixels = x.shape[0] * -(-x.shape[2] // self.stride) * -(-x.shape[3] // self.stride)
        simple = self.training and pixels > 1 and all(norm.is_local_and_once_differentiable for _, norm in units)
        if not simple or not usable(x, self.kernel):
            return None
        weights = []
        for kernels, norm in units:
            weights += [self._chosen(kernels, rows), norm.weight if rows is None else norm.weight[rows]]
        x, nodes = sources.joined(block.positions), len(block.nodes)
        output, statistics = separable(x, weights, scale, nodes, stride=self.stride, dilation=dilation)
        for (_, norm), (mean, variance) in zip(units, statistics, strict=True):
            norm.remember(mean, variance, output, rows)
        return output

    def _units(self) -> list[tuple[Tensor, FoldedNorm]]:
        """Return depthwise weight and norm of each unit of a depthwise separable operation."""
        raise NotImplementedError

    def _chosen(self, weight: Tensor, rows: Tensor | None) -> Tensor:
        """Of (E * C, ...) the edges `rows`."""
        return weight if rows is None else weight.unflatten(0, (self.edges, self.channels))[rows].flatten(0, 1)

    def _rows(self, scale: Tensor) -> Tensor:
        # not expanded: norms on a CPU return wrong gradients for a weight of stride 0
        return scale.unsqueeze(1).repeat(1, self.channels)


def _depthwise(edges: int, channels: int, kernel: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(edges * channels, 1, kernel, kernel).uniform_(-1, 1) / kernel)


class Separable(Stacked):
    """ReLU - depthwise - pointwise - norm, twice."""

    def __init__(self, edges: int, channels: int, stride: int, kernel: int) -> None:
        super().__init__(edges, channels, stride, kernel)
        self.first = _depthwise(edges, channels, kernel)
        self.between = FoldedNorm(edges, channels, channels)
        self.second = _depthwise(edges, channels, kernel)
        self.last = FoldedNorm(edges, channels, channels)

    def _units(self) -> list[tuple[Tensor, FoldedNorm]]:
        return [(self.first, self.between), (self.second, self.last)]

    def forward(self, sources: Sources, block: Block, scale: Tensor, rows: Tensor | None) -> Tensor:
        if (output := self._compiled(sources, block, scale, rows)) is not None:
            return output
        x, padding = sources.positive(block.positions, len(block.nodes)), self.kernel // 2
        x = depthwise(x, self._chosen(self.first, rows), stride=self.stride, padding=padding)
        edges = len(scale)
        x = self.between(x, scale.new_ones(edges, self.channels), edges, rows)
        x = depthwise(torch.relu_(x), self._chosen(self.second, rows), padding=padding)
        return self.last(x, self._rows(scale), len(block.nodes), rows)


class Dilated(Stacked):
    """ReLU - depthwise with dilation 2 - pointwise - norm."""

    def __init__(self, edges: int, channels: int, stride: int, kernel: int) -> None:
        super().__init__(edges, channels, stride, kernel)
        self.depthwise = _depthwise(edges, channels, kernel)
        self.norm = FoldedNorm(edges, channels, channels)

    def _units(self) -> list[tuple[Tensor, FoldedNorm]]:
        return [(self.depthwise, self.norm)]

    def forward(self, sources: Sources, block: Block, scale: Tensor, rows: Tensor | None) -> Tensor:
        if (output := self._compiled(sources, block, scale, rows, dilation=2)) is not None:
            return output
        # of every second pixel, dilation 2 makes an ordinary convolution, which is much faster on a CPU
        weight, padding = self._chosen(self.depthwise, rows), self.kernel // 2
        positions, nodes = block.positions, len(block.nodes)
        even = all(side % 2 == 0 for side in sources.states[positions[0]].shape[2:])
        halved, split = self.stride == 2, self.stride == 1 and even and ways(sources.states[positions[0]]).phases
        x = sources.positive(positions, nodes, first=halved, in_phases=split)
        dilation = 1 if halved or split else 2
        x = depthwise(x, weight, padding=dilation * padding, dilation=dilation)
        normed = self.norm(x, self._rows(scale), nodes, rows)
        return unphased(normed) if split else normed


class Dense(Stacked):
    """ReLU - dense convolution - norm."""

    def __init__(self, edges: int, channels: int, stride: int, kernel: int) -> None:
        super().__init__(edges, channels, stride, kernel)
        if kernel == 1:
            self.norm: FoldedNorm | ScaledNorm = FoldedNorm(edges, channels, channels)
        else:
            bound = 1 / (channels * kernel * kernel) ** 0.5
            self.weight = nn.Parameter(torch.empty(edges * channels, channels, kernel, kernel).uniform_(-bound, bound))
            self.norm = ScaledNorm(edges, channels)

    def forward(self, sources: Sources, block: Block, scale: Tensor, rows: Tensor | None) -> Tensor:
        outputs = []
        for share, chosen, position in by_source(block.positions, scale, rows):
            x = sources.positive((position,), 1, first=self.stride == 2 and self.kernel == 1)
            if isinstance(self.norm, FoldedNorm):
                outputs.append(self.norm(x, self._rows(share), len(block.nodes), chosen))
            else:
                x = F.conv2d(x, self._chosen(self.weight, chosen), stride=self.stride, padding=self.kernel // 2)
                outputs.append(self.norm(x, self._rows(share), chosen))
        return total(outputs)


class Factorised(Stacked):
    """ReLU - dense 1x7 convolution - dense 7x1 convolution - norm."""

    def __init__(self, edges: int, channels: int, stride: int, kernel: int) -> None:
        super().__init__(edges, channels, stride, kernel)
        bound, shape = 1 / (channels * kernel) ** 0.5, (edges * channels, channels)
        self.first = nn.Parameter(torch.empty(*shape, 1, kernel).uniform_(-bound, bound))
        self.second = nn.Parameter(torch.empty(*shape, kernel, 1).uniform_(-bound, bound))
        self.norm = ScaledNorm(edges, channels)

    def forward(self, sources: Sources, block: Block, scale: Tensor, rows: Tensor | None) -> Tensor:
        outputs, padding, nodes = [], self.kernel // 2, len(block.nodes)
        for share, chosen, position in by_source(block.positions, scale, rows):
            x = sources.positive((position,), 1)
            x = F.conv2d(x, self._chosen(self.first, chosen), stride=(1, self.stride), padding=(0, padding))
            weight = self._chosen(self.second, chosen)
            x = F.conv2d(x, weight, stride=(self.stride, 1), padding=(padding, 0), groups=nodes)
            outputs.append(self.norm(x, self._rows(share), chosen))
        return total(outputs)


class Reduce(Stacked):
    """The skip connection of stride 2: ReLU - two pointwise convolutions on pixels one apart diagonally - norm."""

    def __init__(self, edges: int, channels: int, stride: int) -> None:
        super().__init__(edges, channels, stride)
        self.halves = nn.ModuleList(
            FoldedNorm(edges, outputs, channels) for outputs in (channels // 2, channels - channels // 2) if outputs
        )

    def forward(self, sources: Sources, block: Block, scale: Tensor, rows: Tensor | None) -> Tensor:
        outputs = []
        for share, chosen, position in by_source(block.positions, scale, rows):
            x = sources.positive((position,), 1)
            shifted = F.pad(x[:, :, 1:, 1:], (0, x.shape[3] % 2, 0, x.shape[2] % 2))
            pixels = [sources.positive((position,), 1, first=True), shifted[:, :, ::2, ::2]]
            halves = []
            for half, some in zip(self.halves, pixels[-len(self.halves) :], strict=True):
                assert isinstance(half, FoldedNorm)
                factor = share.unsqueeze(1).repeat(1, half.running_mean.shape[1])
                some = some.contiguous(memory_format=torch.channels_last)
                halves.append(half(some, factor, len(block.nodes), chosen))
            outputs.append(_beside(halves, len(block.nodes)))
        return total(outputs)


class Noise(Stacked):
    """Standard normal noise in the place of the input."""

    def forward(self, sources: Sources, block: Block, scale: Tensor, _rows: Tensor | None) -> Tensor:
        state, nodes = sources.states[block.positions[0]], len(block.nodes)
        sides = [-(-side // self.stride) for side in state.shape[2:]]
        edges = len(scale)
        shape = (*sides, edges, self.channels)
        noise = own_rows(len(state), lambda images: state.new_empty(images, *shape).normal_())
        noise = (noise * scale.unsqueeze(1)).view(*noise.shape[:3], nodes, edges // nodes, self.channels).sum(4)
        return noise.flatten(3).permute(0, 3, 1, 2)


def by_source(
    positions: tuple[int, ...], scale: Tensor, rows: Tensor | None
) -> Iterator[tuple[Tensor, Tensor | None, int]]:
    """Yield (scale, rows, position) of one state after the other."""
    if len(positions) == 1:
        yield scale, rows, positions[0]
        return
    if rows is None:
        rows = torch.arange(len(scale), device=scale.device)
    for place, position in enumerate(positions):
        yield scale[place :: len(positions)], rows[place :: len(positions)], position


def total(terms: Sequence[Tensor]) -> Tensor:
    """Sum the terms from the first to the last."""
    return sum(terms[1:], terms[0])


def _beside(halves: Sequence[Tensor], nodes: int) -> Tensor:
    """Join the outputs of each node: each (N, nodes * some, H, W) -> (N, nodes * all, H, W)."""
    if len(halves) == 1:
        return halves[0]
    last = [half.permute(0, 2, 3, 1).unflatten(3, (nodes, -1)) for half in halves]
    return torch.cat(last, dim=4).flatten(3).permute(0, 3, 1, 2)


def stack(operation: str, edges: int, channels: int, stride: int) -> Stacked | None:
    """Return `operation` on a number of edges; None if it has no weights."""
    if operation == "noise":
        return Noise(edges, channels, stride)
    if operation == "skip_connect":
        return Reduce(edges, channels, stride) if stride == 2 else None
    kinds = {"sep_conv_": Separable, "dil_conv_": Dilated, "nor_conv_": Dense, "conv_7x1_": Factorised}
    for start, kind in kinds.items():
        if operation.startswith(start):
            return kind(edges, channels, stride, int(operation[-1]))
    return None
