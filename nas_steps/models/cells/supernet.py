"""The search network: cells with all their operations in a skeleton (Liu et al. 2019, section 2.2)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from nas_steps.config.space import Network
from nas_steps.models.cells.folding import Normalising
from nas_steps.models.cells.mixed_cell import EdgeGroup, Mix, MixedCell, index, sent
from nas_steps.models.cells.networks import (
    STAGES,
    CifarStem,
    Preprocess,
    ResidualReduction,
    build_stem,
    reductions,
)
from nas_steps.spaces.cells.space import CellArchitecture, CellSpace

#: makes a cell: (kind, preprocessing of its inputs, channels, whether it halves the side)
CellBuilder = Callable[[str, nn.Module | None, int, bool], nn.Module]


class Skeleton(nn.Module):
    """Stem, cells, average, classifier, as in the discrete networks; the cells' norms have no affine part."""

    def __init__(self, space: CellSpace, network: Network, build: CellBuilder, *, inputs: int, classes: int) -> None:
        super().__init__()
        self.space = space
        channels = network.channels
        self.stem: nn.Module
        if space.inputs == 1:
            self.stem, last, halve_first = CifarStem(inputs, channels), channels, False
        else:
            self.stem, last, halve_first = build_stem(network, inputs)
        self.cells = nn.ModuleList()
        self.norm: nn.Module = nn.Identity()
        if space.inputs == 1:
            for stage in range(STAGES):
                if stage > 0:
                    self.cells.append(ResidualReduction(channels, 2 * channels))
                    channels *= 2
                self.cells.extend(build(space.kinds[0], None, channels, False) for _ in range(network.cells))
            last = channels
            self.norm = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        else:
            halving = reductions(network.cells, network.reductions)
            before_last = last
            for index in range(network.cells):
                halves = index in halving
                if halves:
                    channels *= 2
                preprocess = Preprocess(before_last, last, channels, halve_first, affine=False)
                self.cells.append(build(space.kinds[halves], preprocess, channels, halves))
                before_last, last, halve_first = last, channels * len(space.concat), halves
        self.classifier = nn.Linear(last, classes)

    def through(self, x: Tensor, cell: Callable[[nn.Module, Sequence[Tensor]], Tensor]) -> Tensor:
        """Return logits (N, classes); `cell` applies a mixed cell to the outputs of the cells before it."""
        before_last, last = self.stem(x)
        for module in self.cells:
            if isinstance(module, ResidualReduction):
                output = module(last)
            else:
                output = cell(module, [before_last, last] if self.space.inputs == 2 else [last])
            before_last, last = last, output
        return self.classifier(self.norm(last).mean(dim=(2, 3)))


class Supernet(Skeleton):
    """The search network: (N, C, side, side) -> logits (N, classes).

    All cells of a kind share `alphas` (edges, operations). With `k` = K > 1 operations see 1 / K of the channels, and
    with `edge_weights` `betas` (edges,) weigh the edges (Xu et al. 2020, section 3)."""

    def __init__(
        self, space: CellSpace, network: Network, *, inputs: int, classes: int, k: int = 1, edge_weights: bool = True
    ) -> None:
        def build(kind: str, preprocess: nn.Module | None, channels: int, halves: bool) -> nn.Module:
            return MixedCell(space, kind, preprocess, channels, halves=halves, k=k)

        super().__init__(space, network, build, inputs=inputs, classes=classes)
        shape = (len(space.edges()), len(space.operations))
        self.alphas = nn.ParameterDict({kind: nn.Parameter(1e-3 * torch.randn(shape)) for kind in space.kinds})
        kinds = space.kinds if k > 1 and edge_weights else ()
        self.betas = nn.ParameterDict({kind: nn.Parameter(1e-3 * torch.randn(shape[0])) for kind in kinds})
        #: by kind of cell and edge the places of the operations that it may have: `allowed`, known to the host
        self.places: dict[str, tuple[tuple[int, ...], ...]] = {}
        for kind in space.kinds:
            self.register_buffer(f"allowed_{kind}", torch.tensor(space.allowed(kind)), persistent=False)
            self.places[kind] = _places(space.allowed(kind))

    def allowed(self, kind: str) -> Tensor:
        """Return (edges, operations): whether an edge may have an operation."""
        return self.get_buffer(f"allowed_{kind}")

    def allow(self, kind: str, allowed: Tensor) -> None:
        """Leave each edge of a kind of cell the operations that `allowed` (edges, operations) names."""
        self.get_buffer(f"allowed_{kind}").copy_(allowed)
        self.places[kind] = _places(allowed.tolist())

    @property
    def k(self) -> int:
        return next(cell.k for cell in self.cells if isinstance(cell, MixedCell))

    def weights(self) -> list[nn.Parameter]:
        """Return all parameters but those of the architecture."""
        architecture = {id(parameter) for parameter in self.architecture()}
        return [parameter for parameter in self.parameters() if id(parameter) not in architecture]

    def architecture(self) -> list[nn.Parameter]:
        """Return the alphas and, if K > 1, the betas."""
        return [*self.alphas.values(), *self.betas.values()]

    def weighted(self) -> dict[str, list[list[bool]]]:
        """Return which operations have weights, by kind of cell and edge."""
        weighted = {}
        for cell in self.cells:
            if isinstance(cell, MixedCell):
                rows = [[False] * len(self.space.operations) for _ in self.space.edges()]
                for group in cell.stages:
                    assert isinstance(group, EdgeGroup)
                    for name, edges in group.edges_of.items():
                        for edge in edges:
                            rows[group.places[edge]][self.space.operations.index(name)] = True
                weighted[cell.kind] = rows
        return weighted

    def differentiable_twice(self, twice: bool = True) -> None:
        """Make gradients themselves differentiable, which costs time and memory."""
        for module in self.modules():
            if isinstance(module, Normalising):
                module.twice_differentiable = twice

    def probabilities(self) -> dict[str, Tensor]:
        """Return the softmax of each edge's alphas over the operations that it may have."""
        return {
            kind: torch.softmax(alphas.masked_fill(~self.allowed(kind), float("-inf")), dim=-1)
            for kind, alphas in self.alphas.items()
        }

    def discrete(self, architecture: CellArchitecture) -> Mix:
        """Return the mix that computes an architecture alone: 1 for each kept edge, at its operation."""
        edges, some = self.space.edges(), next(iter(self.alphas.values()))
        weights, active = {}, {}
        for kind, cell in architecture.cells.items():
            rows = [[0.0] * len(self.space.operations) for _ in edges]
            for node, kept in enumerate(cell):
                for operation, source in kept:
                    rows[edges.index((node, source))][self.space.operations.index(operation)] = 1.0
            weights[kind] = sent(torch.tensor(rows, dtype=some.dtype), some.device)
            active[kind] = [[value > 0 for value in row] for row in rows]
        if self.k == 1:
            return Mix(weights, active)
        # an edge whose operation is to be no connection passes nothing by it either
        connected = index(_places([[name != "none" for name in self.space.operations]])[0], some.device)
        return Mix(weights, active, {kind: rows[:, connected].sum(1) for kind, rows in weights.items()})

    def forward(self, x: Tensor, mix: Mix | None = None, drop: float = 0.0) -> Tensor:
        """`mix` weighs the operations, by `probabilities()` if it is None; `drop` is the probability of drop path."""
        mix = Mix(self.probabilities()) if mix is None else mix
        return self.through(x, lambda cell, states: cell(states, mix, drop))


def _places(rows: Sequence[Sequence[bool]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(place for place, may in enumerate(row) if may) for row in rows)
