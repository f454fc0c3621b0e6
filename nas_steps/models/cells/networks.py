"""Networks of one architecture: two-input cells (Liu et al. 2019, sections 2.1 and 3.2), or one-input cells in three
stages (NAS-Bench-201: Dong & Yang 2020, section 2.1)."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.config.space import Network
from nas_steps.models.cells.operations import FactorizedReduce, ReLUConvNorm, beside, build_operation
from nas_steps.models.share import own_rows
from nas_steps.spaces.cells.architectures import Cell, CellArchitecture

#: stages of the network, each with twice the channels and half the side of the one before
STAGES = 3


def reductions(cells: int, declared: Sequence[int] | None = None) -> set[int]:
    """Return the cells, from 0, that halve the side: those declared, or those at 1/3 and 2/3 of the depth."""
    return {cells // 3, 2 * cells // 3} if declared is None else set(declared)


def drop_path(x: Tensor, probability: float) -> Tensor:
    """Zero whole samples of (N, C, H, W) with `probability`, scaling the others up (Larsson et al. 2017)."""
    keep = 1 - probability
    mask = own_rows(len(x), lambda images: x.new_empty(images, 1, 1, 1).bernoulli_(keep))
    return x * (mask / keep)


class CifarStem(nn.Sequential):
    """One convolution: (N, inputs, H, W) -> twice the same (N, width, H, W), for both inputs of the first cell."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = super().forward(x)
        return x, x


class ImageNetStem(nn.Module):
    """Three convolutions of stride 2 (Liu et al. 2019, appendix A.2.2; `NetworkImageNet` of quark0/darts).

    (N, inputs, H, W) -> (N, channels, H / 4, W / 4) and (N, channels, H / 8, W / 8), rounded up: the first cell's
    inputs, of which it halves the first."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()

        def halved(inputs: int, outputs: int) -> list[nn.Module]:
            return [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs)]

        half = channels // 2
        self.first = nn.Sequential(*halved(inputs, half), nn.ReLU(), *halved(half, channels))
        self.second = nn.Sequential(nn.ReLU(), *halved(channels, channels))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.first(x)
        return x, self.second(x)


def build_stem(network: Network, inputs: int) -> tuple[nn.Module, int, bool]:
    """Build the stem of two-input cells; return its channels, too, and whether the first cell halves an input."""
    if network.stem == "imagenet":
        return ImageNetStem(inputs, network.channels), network.channels, True
    width = network.stem_multiplier * network.channels
    return CifarStem(inputs, width), width, False


class Preprocess(nn.Module):
    """Bring the outputs of the two cells before to this cell's channels and side."""

    def __init__(self, before_last: int, last: int, channels: int, halve_first: bool, affine: bool = True) -> None:
        super().__init__()
        self.first: nn.Module = (
            FactorizedReduce(before_last, channels, affine)
            if halve_first
            else ReLUConvNorm(before_last, channels, 1, affine=affine)
        )
        self.second = ReLUConvNorm(last, channels, 1, affine=affine)

    def forward(self, before_last: Tensor, last: Tensor) -> list[Tensor]:
        return [self.first(before_last), self.second(last)]


class Nodes(nn.ModuleList):
    """The nodes of a cell: each sums its kept edges. Edges from inputs have stride 2 if `halve`."""

    drop_path: Callable[[Tensor, float], Tensor] = staticmethod(drop_path)

    def __init__(self, cell: Cell, channels: int, *, inputs: int, halve: bool = False) -> None:
        super().__init__(
            nn.ModuleList(
                build_operation(operation, channels, stride=2 if halve and source < inputs else 1)
                for operation, source in node
            )
            for node in cell
        )
        self.sources = [[source for _, source in node] for node in cell]

    def forward(self, states: list[Tensor], drop: float) -> list[Tensor]:
        """Map the inputs to the outputs of all nodes, each (N, channels, H, W)."""
        states, inputs = list(states), len(states)
        for sources, node in zip(self.sources, self, strict=True):
            assert isinstance(node, nn.ModuleList)
            terms = []
            for source, operation in zip(sources, node, strict=True):
                term = operation(states[source])
                if drop > 0 and self.training and not isinstance(operation, nn.Identity):
                    term = self.drop_path(term, drop)
                terms.append(term)
            states.append(sum(terms[1:], terms[0]))
        return states[inputs:]


class DiscreteCell(nn.Module):
    """A cell of an architecture; its output concatenates the nodes of `concat`."""

    concatenate: Callable[[Sequence[Tensor]], Tensor] = staticmethod(beside)

    def __init__(
        self, architecture: CellArchitecture, kind: str, before_last: int, last: int, channels: int, halve_first: bool
    ) -> None:
        super().__init__()
        self.preprocess = Preprocess(before_last, last, channels, halve_first)
        self.nodes = Nodes(architecture.cells[kind], channels, inputs=2, halve=kind == "reduce")
        self.concat = architecture.concat[kind]
        self.outputs = channels * len(self.concat)

    def forward(self, before_last: Tensor, last: Tensor, drop: float) -> Tensor:
        nodes = self.nodes(self.preprocess(before_last, last), drop)
        return self.concatenate([nodes[node] for node in self.concat])


def quarters(x: Tensor) -> Tensor:
    """Average each quarter of maps, (N, C, H, W) -> (N, C, 2, 2); the middle of an odd side belongs to both halves.

    These are torch's adaptive averages, whose gradient has no deterministic form on CUDA."""
    rows, columns = ((slice(0, (side + 1) // 2), slice(side // 2, side)) for side in x.shape[2:])
    means = [x[:, :, row, column].mean(dim=(2, 3)) for row in rows for column in columns]
    return torch.stack(means, dim=2).unflatten(2, (2, 2))


class AuxiliaryHead(nn.Module):
    """A second classifier part of the way up (Szegedy et al. 2015; the layers of DARTS for CIFAR).

    With `imagenet` those of DARTS for ImageNet: the last convolution has no norm, the pooling a stride of 2."""

    #: the side of the maps that are pooled as published, by the pooling's stride
    SIDES: ClassVar[dict[int, int]] = {3: 8, 2: 7}

    def __init__(self, channels: int, classes: int, imagenet: bool = False) -> None:
        super().__init__()
        self.stride = 2 if imagenet else 3

        def layer(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
            return [nn.Conv2d(inputs, outputs, kernel, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

        last = layer(128, 768, 2)
        if imagenet:
            del last[1]
        self.features = nn.Sequential(*layer(channels, 128, 1), *last)
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        # the map of CIFAR or ImageNet is pooled as published; other sides are pooled to the same 2x2
        published = x.shape[-2:] == (self.SIDES[self.stride],) * 2
        x = F.avg_pool2d(x, 5, stride=self.stride) if published else quarters(x)
        return self.classifier(self.features(x).flatten(1))


class CellNetwork(nn.Module):
    """Stem, cells, global average, classifier: (N, C, side, side) -> logits (N, classes).

    An auxiliary head adds its logits in training. The training loop raises the probability `drop_path`."""

    #: whether the training raises `drop_path` from 0 over its epochs (ScheduledDropPath of Zoph et al. 2018)
    drop_path_rises = True

    def __init__(
        self, architecture: CellArchitecture, network: Network, *, inputs: int, classes: int, auxiliary: bool = False
    ) -> None:
        super().__init__()
        channels = network.channels
        self.drop_path = 0.0
        self.stem, last, halve_first = build_stem(network, inputs)
        self.cells = nn.ModuleList()
        self.auxiliary: AuxiliaryHead | None = None
        self.auxiliary_at = 2 * network.cells // 3
        halving = reductions(network.cells, network.reductions)
        before_last = last
        for index in range(network.cells):
            reduction = index in halving
            kind, channels = ("reduce", 2 * channels) if reduction else ("normal", channels)
            cell = DiscreteCell(architecture, kind, before_last, last, channels, halve_first)
            self.cells.append(cell)
            before_last, last, halve_first = last, cell.outputs, reduction
            if auxiliary and index == self.auxiliary_at:
                self.auxiliary = AuxiliaryHead(cell.outputs, classes, imagenet=network.stem == "imagenet")
        self.classifier = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        before_last, last = self.stem(x)
        second = None
        for index, cell in enumerate(self.cells):
            before_last, last = last, cell(before_last, last, self.drop_path)
            if self.auxiliary is not None and self.training and index == self.auxiliary_at:
                second = self.auxiliary(last)
        logits = self.classifier(last.mean(dim=(2, 3)))
        return logits if second is None else (logits, second)


class ResidualReduction(nn.Module):
    """Two 3x3 convolutions beside a pooled shortcut: (N, inputs, H, W) -> (N, outputs, ceil(H / 2), ceil(W / 2))."""

    def __init__(self, inputs: int, outputs: int, affine: bool = True) -> None:
        super().__init__()
        self.first = ReLUConvNorm(inputs, outputs, 3, stride=2, affine=affine)
        self.second = ReLUConvNorm(outputs, outputs, 3, affine=affine)
        # an odd side is rounded up, as by the convolution
        pool = nn.AvgPool2d(2, stride=2, ceil_mode=True, count_include_pad=False)
        self.shortcut = nn.Sequential(pool, nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.second(self.first(x))


class OneInputCell(nn.Module):
    """One cell of an architecture: (N, channels, H, W) to the same, the sum at its last node."""

    def __init__(self, cell: Cell, channels: int) -> None:
        super().__init__()
        self.nodes = Nodes(cell, channels, inputs=1)

    def forward(self, x: Tensor, drop: float) -> Tensor:
        return self.nodes([x], drop)[-1]


class StagedNetwork(nn.Module):
    """Stem, three stages of `network.cells` cells, average, classifier: (N, C, side, side) -> logits (N, classes).

    An auxiliary head reads the last reduction's output and adds its logits in training. `drop_path` is the current
    probability, which the training raises."""

    drop_path_rises = True

    def __init__(
        self, architecture: CellArchitecture, network: Network, *, inputs: int, classes: int, auxiliary: bool = False
    ) -> None:
        super().__init__()
        channels = network.channels
        self.drop_path = 0.0
        self.stem = nn.Sequential(nn.Conv2d(inputs, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.cells = nn.ModuleList()
        for stage in range(STAGES):
            if stage > 0:
                self.cells.append(ResidualReduction(channels, 2 * channels))
                channels *= 2
            self.cells.extend(OneInputCell(architecture.cells["cell"], channels) for _ in range(network.cells))
        self.auxiliary = AuxiliaryHead(channels, classes) if auxiliary else None
        self.auxiliary_at = len(self.cells) - network.cells - 1
        self.norm = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.stem(x)
        second = None
        for index, cell in enumerate(self.cells):
            x = cell(x, self.drop_path) if isinstance(cell, OneInputCell) else cell(x)
            if self.auxiliary is not None and self.training and index == self.auxiliary_at:
                second = self.auxiliary(x)
        logits = self.classifier(torch.relu(self.norm(x)).mean(dim=(2, 3)))
        return logits if second is None else (logits, second)
