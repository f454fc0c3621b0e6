"""Networks of one-input cells in three stages (NAS-Bench-201: Dong & Yang 2020, section 2.1), for one architecture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nas_steps.config.space import Network
from nas_steps.models.cells.operations import ReLUConvNorm
from nas_steps.models.cells.two_input import AuxiliaryHead, Nodes
from nas_steps.spaces.cells.architectures import Cell, CellArchitecture

#: stages of the network, each with twice the channels and half the side of the one before
STAGES = 3


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
    probability."""

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
