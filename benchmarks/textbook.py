"""The continuous relaxation as a paper's reader would write it: one module for each operation of each edge.

This is the oracle that `nas_steps.models.cells.supernet` is compared with, in results by the tests and in speed and
memory by
`benchmarks/supernet.py`. Nothing is shared, batched, folded or left out (Liu et al. 2019, section 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.config.space import Network
from nas_steps.models.cells import supernet as fast
from nas_steps.models.cells.folding import FoldedNorm, ScaledNorm
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.models.cells.mixed_cell import MixedCell as FastCell
from nas_steps.models.cells.operations import build_operation
from nas_steps.models.cells.stacked import Dense, Dilated, Factorised, Reduce, Separable
from nas_steps.spaces.cells.space import CellSpace


class MixedOperation(nn.Module):
    """All operations of one edge, weighed and summed."""

    def __init__(self, space: CellSpace, names: Sequence[str | None], channels: int, stride: int) -> None:
        super().__init__()
        self.operations = nn.ModuleList()
        self.indices = []
        for index, name in enumerate(names):
            if name is None:
                continue
            module = build_operation(name, channels, stride, affine=False)
            if "pool" in name and space.inputs == 2:
                module = nn.Sequential(module, nn.BatchNorm2d(channels, affine=False))
            self.operations.append(module)
            self.indices.append(index)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        terms = (weights[index] * operation(x) for index, operation in zip(self.indices, self.operations, strict=True))
        return sum(terms)  # type: ignore[return-value]


class MixedCell(nn.Module):
    """Each node is the sum of its edges."""

    def __init__(
        self, space: CellSpace, kind: str, preprocess: nn.Module | None, channels: int, halves: bool, k: int
    ) -> None:
        super().__init__()
        self.space, self.kind, self.halves, self.k = space, kind, halves, k
        self.preprocess = preprocess
        self.mixed = channels // k
        self.edges = nn.ModuleList(
            MixedOperation(
                space,
                [name if may else None for name, may in zip(space.operations, allowed, strict=True)],
                self.mixed,
                2 if halves and source < space.inputs else 1,
            )
            for (_, source), allowed in zip(space.edges(), space.allowed(kind), strict=True)
        )

    def forward(self, inputs: Sequence[Tensor], weights: Tensor, betas: Tensor | None = None) -> Tensor:
        states = list(inputs) if self.preprocess is None else self.preprocess(*inputs)
        nodes: list[list[Tensor]] = [[] for _ in range(self.space.nodes)]
        for place, (node, source) in enumerate(self.space.edges()):
            while len(states) <= source:
                states.append(sum(nodes[len(states) - self.space.inputs]))  # type: ignore[arg-type]
            edge, x = self.edges[place], states[source]
            if self.k == 1:
                nodes[node].append(edge(x, weights[place]))
                continue
            # PC-DARTS (Xu et al. 2020, section 3.1): the operations see a part, the rest goes around, then a shuffle
            mixed, rest = edge(x[:, : self.mixed], weights[place]), x[:, self.mixed :]
            if self.halves and source < self.space.inputs:
                rest = F.max_pool2d(rest, 2, 2, ceil_mode=True)
            whole = torch.cat([mixed, rest], dim=1)
            whole = whole.view(len(x), self.k, -1, *whole.shape[2:]).transpose(1, 2).reshape(whole.shape)
            nodes[node].append(whole if betas is None else betas[place] * whole)
        while len(states) < self.space.inputs + self.space.nodes:
            states.append(sum(nodes[len(states) - self.space.inputs]))  # type: ignore[arg-type]
        return torch.cat([states[self.space.inputs + node] for node in self.space.concat], dim=1)


class Textbook(fast.Skeleton):
    """The search network, built like `nas_steps.models.cells.supernet.Supernet`."""

    def __init__(self, space: CellSpace, network: Network, *, inputs: int, classes: int, k: int = 1) -> None:
        def build(kind: str, preprocess: nn.Module | None, channels: int, halves: bool) -> nn.Module:
            return MixedCell(space, kind, preprocess, channels, halves, k)

        super().__init__(space, network, build, inputs=inputs, classes=classes)
        shape = (len(space.edges()), len(space.operations))
        self.alphas = nn.ParameterDict({kind: nn.Parameter(1e-3 * torch.randn(shape)) for kind in space.kinds})

    def forward(self, x: Tensor, mix: Mix | None = None) -> Tensor:
        """A mix's `active` does not count: all operations are computed."""
        if mix is None:
            weights = {}
            for kind, alphas in self.alphas.items():
                forbidden = ~torch.tensor(self.space.allowed(kind), device=alphas.device)
                weights[kind] = torch.softmax(alphas.masked_fill(forbidden, float("-inf")), dim=-1)
            mix = Mix(weights)
        around = mix.around
        return self.through(
            x, lambda cell, states: cell(states, mix.weights[cell.kind], None if around is None else around[cell.kind])
        )


Pair = tuple[Tensor, Tensor]


def pairs(supernet: fast.Supernet, textbook: Textbook, of: str = "data") -> list[Pair]:
    """(the supernet's, the textbook's) of all that they share: weights and running statistics (`of` data), or the
    gradients of the weights (`of` grad, zeros where there is none).

    Pooled states have one norm in the supernet and one for each edge in the textbook: the first is paired with all.
    """
    found: list[Pair] = []

    def take(mine: Tensor, theirs: Tensor, row: int | slice | None = None) -> None:
        both = []
        for tensor in (mine, theirs):
            if of == "grad":
                if not isinstance(tensor, nn.Parameter):
                    return
                both.append(torch.zeros_like(tensor) if tensor.grad is None else tensor.grad)
            else:
                both.append(tensor.data)
        if row is not None and both[0].dim() == 4:  # (E * C, ...)
            both[0] = both[0].unflatten(0, (-1, len(both[1])))
        found.append((both[0] if row is None else both[0][row], both[1]))

    def norm(mine: FoldedNorm | ScaledNorm, theirs: nn.BatchNorm2d, row: int, some: slice = slice(None)) -> None:
        if of == "data":
            assert theirs.running_mean is not None
            assert theirs.running_var is not None
            found.append((mine.running_mean[row], theirs.running_mean[some]))
            found.append((mine.running_var[row], theirs.running_var[some]))

    def shared(mine: nn.Module, theirs: nn.Module) -> None:
        for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
            take(one, other)
        if of == "data":
            for one, other in zip(mine.buffers(), theirs.buffers(), strict=True):
                take(one, other)

    shared(supernet.stem, textbook.stem)
    shared(supernet.norm, textbook.norm)
    shared(supernet.classifier, textbook.classifier)
    for kind in supernet.space.kinds:
        take(supernet.alphas[kind], textbook.alphas[kind])
    for cell, other in zip(supernet.cells, textbook.cells, strict=True):
        if not isinstance(cell, FastCell):
            shared(cell, other)
            continue
        if cell.preprocess is not None:
            shared(cell.preprocess, other.preprocess)
        for group in cell.stages:
            for (_, position), number in group.numbers.items():
                edge = other.edges[group.places[number]]
                for index, single in zip(edge.indices, edge.operations, strict=True):
                    name = supernet.space.operations[index]
                    if name in group.pools:
                        shared(group.pools[name][position], single[1])
                    if name not in group.operations:
                        continue
                    stacked, row = group.operations[name], group.edges_of[name].index(number)
                    if isinstance(stacked, Separable):
                        take(stacked.first, single[1].weight, row)
                        _pointwise(take, norm, stacked.between, single[2:4], row)
                        take(stacked.second, single[5].weight, row)
                        _pointwise(take, norm, stacked.last, single[6:8], row)
                    elif isinstance(stacked, Dilated):
                        take(stacked.depthwise, single[1].weight, row)
                        _pointwise(take, norm, stacked.norm, single[2:4], row)
                    elif isinstance(stacked, Dense):
                        weight = stacked.norm.weight if isinstance(stacked.norm, FoldedNorm) else stacked.weight
                        take(weight, single[1].weight, row)
                        norm(stacked.norm, single[2], row)
                    elif isinstance(stacked, Factorised):
                        take(stacked.first, single[1].weight, row)
                        take(stacked.second, single[2].weight, row)
                        norm(stacked.norm, single[3], row)
                    elif isinstance(stacked, Reduce):
                        first, second = stacked.halves
                        take(first.weight, single.first.weight, row)
                        take(second.weight, single.second.weight, row)
                        half = first.weight.shape[1]
                        norm(first, single.norm, row, slice(half))
                        norm(second, single.norm, row, slice(half, None))
    return [(mine.reshape(theirs.shape), theirs) for mine, theirs in found]


def _pointwise(take, norm, mine: FoldedNorm, theirs: nn.Sequential, row: int) -> None:  # type: ignore[no-untyped-def]
    take(mine.weight, theirs[0].weight, row)
    norm(mine, theirs[1], row)


@torch.no_grad()
def copy(supernet: fast.Supernet, textbook: Textbook) -> None:
    """Give the supernet the textbook's weights, alphas and running statistics."""
    for mine, theirs in pairs(supernet, textbook):
        mine.copy_(theirs)
