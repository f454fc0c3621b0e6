"""Networks of stacked two-input cells (Liu et al. 2019, section 2.1 and 3.2), for one architecture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.config.space import Network
from nas_steps.models.cells.operations import FactorizedReduce, ReLUConvNorm, build_operation
from nas_steps.spaces.cells.architectures import Cell, CellArchitecture


def reductions(cells: int, declared: Sequence[int] | None = None) -> set[int]:
    """Return the cells, from 0, that halve the side: those declared, or those at 1/3 and 2/3 of the depth."""
    return {cells // 3, 2 * cells // 3} if declared is None else set(declared)


def drop_path(x: Tensor, probability: float) -> Tensor:
    """Zero whole samples of (N, C, H, W) with `probability`, scaling the others up (Larsson et al. 2017)."""
    keep = 1 - probability
    mask = torch.empty(x.shape[0], 1, 1, 1, device=x.device, dtype=x.dtype).bernoulli_(keep)
    return x * (mask / keep)


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
                    term = drop_path(term, drop)
                terms.append(term)
            states.append(sum(terms[1:], terms[0]))
        return states[inputs:]


class DiscreteCell(nn.Module):
    """A cell of an architecture; its output concatenates the nodes of `concat`."""

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
        return torch.cat([nodes[node] for node in self.concat], dim=1)


class AuxiliaryHead(nn.Module):
    """A second classifier part of the way up (Szegedy et al. 2015; the layers of DARTS for CIFAR)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        # an 8x8 map, that of CIFAR, is pooled as published; other sides are pooled to the same 2x2
        x = F.avg_pool2d(x, 5, stride=3) if x.shape[-2:] == (8, 8) else F.adaptive_avg_pool2d(x, 2)
        return self.classifier(self.features(x).flatten(1))


class CellNetwork(nn.Module):
    """Stem, cells, global average, classifier: (N, C, side, side) -> logits (N, classes).

    An auxiliary head adds its logits in training. The training loop raises the probability `drop_path`."""

    def __init__(
        self, architecture: CellArchitecture, network: Network, *, inputs: int, classes: int, auxiliary: bool = False
    ) -> None:
        super().__init__()
        channels = network.channels
        stem = network.stem_multiplier * channels
        self.drop_path = 0.0
        self.stem = nn.Sequential(nn.Conv2d(inputs, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem))
        self.cells = nn.ModuleList()
        self.auxiliary: AuxiliaryHead | None = None
        self.auxiliary_at = 2 * network.cells // 3
        halving = reductions(network.cells, network.reductions)
        before_last, last, halve_first = stem, stem, False
        for index in range(network.cells):
            reduction = index in halving
            kind, channels = ("reduce", 2 * channels) if reduction else ("normal", channels)
            cell = DiscreteCell(architecture, kind, before_last, last, channels, halve_first)
            self.cells.append(cell)
            before_last, last, halve_first = last, cell.outputs, reduction
            if auxiliary and index == self.auxiliary_at:
                self.auxiliary = AuxiliaryHead(cell.outputs, classes)
        self.classifier = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        before_last = last = self.stem(x)
        second = None
        for index, cell in enumerate(self.cells):
            before_last, last = last, cell(before_last, last, self.drop_path)
            if self.auxiliary is not None and self.training and index == self.auxiliary_at:
                second = self.auxiliary(last)
        logits = self.classifier(last.mean(dim=(2, 3)))
        return logits if second is None else (logits, second)
