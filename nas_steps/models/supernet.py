"""The continuous relaxation: every edge computes all operations, mixed by a softmax (Liu et al. 2019, section 2.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nas_steps.config.schema import Network
from nas_steps.models.cells import Preprocess, reductions
from nas_steps.models.operations import build_operation
from nas_steps.spaces.cells import CellSpace

KINDS = ("normal", "reduce")


class MixedOperation(nn.Module):
    """All operations of the space on one edge. Batch norms have no affine part, so that alphas alone set the scale.

    `none` contributes zero and is not computed; it still takes its share of the softmax.
    """

    def __init__(self, space: CellSpace, channels: int, stride: int) -> None:
        super().__init__()
        self.indices = [index for index, name in enumerate(space.operations) if name != "none"]
        self.operations = nn.ModuleList()
        for index in self.indices:
            name = space.operations[index]
            module = build_operation(name, channels, stride, affine=False)
            if "pool" in name:
                module = nn.Sequential(module, nn.BatchNorm2d(channels, affine=False))
            self.operations.append(module)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """`x` (N, C, H, W), `weights` (operations of the space,)."""
        terms = [weights[index] * operation(x) for index, operation in zip(self.indices, self.operations, strict=True)]
        return sum(terms[1:], terms[0])


class MixedCell(nn.Module):
    """A cell with all its possible edges."""

    def __init__(
        self,
        space: CellSpace,
        before_last: int,
        last: int,
        channels: int,
        *,
        reduction: bool,
        halve_first: bool,
    ) -> None:
        super().__init__()
        self.preprocess = Preprocess(before_last, last, channels, halve_first, affine=False)
        self.kind = KINDS[reduction]
        self.node_sources = [list(space.sources(node)) for node in range(space.nodes)]
        self.edges = nn.ModuleList(
            MixedOperation(space, channels, stride=2 if reduction and source < 2 else 1) for _, source in space.edges()
        )
        self.outputs = channels * space.nodes

    def forward(self, before_last: Tensor, last: Tensor, weights: Tensor) -> Tensor:
        states = self.preprocess(before_last, last)
        edge = 0
        for sources in self.node_sources:
            terms = []
            for source in sources:
                terms.append(self.edges[edge](states[source], weights[edge]))
                edge += 1
            states.append(sum(terms[1:], terms[0]))
        return torch.cat(states[2:], dim=1)


class Supernet(nn.Module):
    """The search network: (N, C, side, side) -> logits (N, classes).

    `alphas` holds one (edges, operations) tensor for each kind of cell, shared by all cells of the kind.
    """

    def __init__(self, space: CellSpace, network: Network, *, inputs: int, classes: int) -> None:
        super().__init__()
        channels = network.channels
        stem = network.stem_multiplier * channels
        shape = (len(space.edges()), len(space.operations))
        self.alphas = nn.ParameterDict({kind: nn.Parameter(1e-3 * torch.randn(shape)) for kind in KINDS})
        self.stem = nn.Sequential(nn.Conv2d(inputs, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem))
        self.cells = nn.ModuleList()
        before_last, last, halve_first = stem, stem, False
        for index in range(network.cells):
            reduction = index in reductions(network.cells)
            if reduction:
                channels *= 2
            cell = MixedCell(space, before_last, last, channels, reduction=reduction, halve_first=halve_first)
            self.cells.append(cell)
            before_last, last, halve_first = last, cell.outputs, reduction
        self.classifier = nn.Linear(last, classes)

    def weights(self) -> list[nn.Parameter]:
        """Everything that is learnt but the alphas."""
        return [parameter for name, parameter in self.named_parameters() if not name.startswith("alphas.")]

    def forward(self, x: Tensor) -> Tensor:
        mixed = {kind: torch.softmax(self.alphas[kind], dim=-1) for kind in KINDS}
        before_last = last = self.stem(x)
        for cell in self.cells:
            before_last, last = last, cell(before_last, last, mixed[cell.kind])  # type: ignore[index]
        return self.classifier(last.mean(dim=(2, 3)))
