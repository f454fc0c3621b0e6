"""A cell of a supernet: all operations of all edges, mixed by weights (Liu et al. 2019, section 2.2)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.models.cells.stacked import Block, Sources, stack, total
from nas_steps.models.share import own_rows
from nas_steps.spaces.cells.space import CellSpace

#: (nodes, (N, nodes * C, H, W)): the share of an edge group in the sum of each of these nodes
Contribution = tuple[tuple[int, ...], Tensor]
Active = Sequence[Sequence[bool]]

POOLS = ("max_pool_3x3", "avg_pool_3x3")


@dataclass
class Mix:
    """How a supernet mixes its operations, by kind of cell: `weights` (edges, operations) multiply them.

    `active` names those to compute (None: all); `around` (edges,) weighs channels that go around the operations."""

    weights: Mapping[str, Tensor]
    active: Mapping[str, Active] | None = None
    around: Mapping[str, Tensor] | None = None


@cache
def index(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    """Return the numbers on the device, cached: a copy in each step would make a GPU wait."""
    return torch.tensor(numbers, device=device)


@cache
def flags(rows: tuple[tuple[bool, ...], ...], device: torch.device) -> Tensor:
    """Return rows of truth values on the device, cached as well."""
    return torch.tensor(rows, device=device)


def sent(values: Tensor, device: torch.device) -> Tensor:
    """Return values of the CPU on the device; the host does not wait for a GPU that is still computing."""
    return values.to(device, non_blocking=device.type == "cuda")


class EdgeGroup(nn.Module):
    """The edges of a cell from `sources` to all nodes that read them, numbered from 0: they are ready together."""

    def __init__(self, space: CellSpace, kind: str, sources: Sequence[int], channels: int, stride: int) -> None:
        super().__init__()
        self.space, self.stride, self.sources = space, stride, tuple(sources)
        edges, allowed = space.edges(), space.allowed(kind)
        #: the edges' places in the cell
        self.places = tuple(place for place, (_, source) in enumerate(edges) if source in self.sources)
        #: (node, position among the sources) -> the edge's number
        self.numbers = {
            (edges[place][0], self.sources.index(edges[place][1])): number for number, place in enumerate(self.places)
        }
        self.operations = nn.ModuleDict()
        #: the edges that may have an operation, in the order of its parameters
        self.edges_of: dict[str, list[int]] = {}
        for column, name in enumerate(space.operations):
            numbers = [number for number, place in enumerate(self.places) if allowed[place][column]]
            if numbers and (module := stack(name, len(numbers), channels, stride)) is not None:
                self.operations[name] = module
                self.edges_of[name] = numbers
        # a pooled state and its norm are the same for all its readers
        self.pools = nn.ModuleDict()
        for name in POOLS:
            if name in space.operations and space.inputs == 2:
                self.pools[name] = nn.ModuleList(nn.BatchNorm2d(channels, affine=False) for _ in self.sources)
        self._plans: dict[tuple[str, tuple[int, ...], bool], list[Block]] = {}

    def forward(
        self, states: Sequence[Tensor], mix: Tensor, active: Active | None, drop: float
    ) -> Iterator[Contribution]:
        """Apply `mix` (edges of the cell, operations) to the sources' `states` (N, C, H, W); drop edges of images."""
        sources = Sources(states)
        weights = mix[index(self.places, mix.device)]
        active = None if active is None else [active[place] for place in self.places]
        masks: dict[tuple[int, int], Tensor] = {}
        columns = zip(self.space.operations, weights.unbind(1), strict=True)
        for column, (name, column_weights) in enumerate(columns):
            if name not in self.operations:
                continue
            edges = tuple(edge for edge in self.edges_of[name] if active is None or active[edge][column])
            for block in self._blocks(name, edges, drop > 0):
                scale = column_weights if block.edges is None else column_weights[index(block.edges, mix.device)]
                rows = None if block.rows is None else index(block.rows, mix.device)
                output = self.operations[name](sources, block, scale, rows)
                yield block.nodes, self._dropped(output, block.nodes, block.positions[0], drop, masks)
        for position, state in enumerate(states):
            if (output := self._without_weights(state, position, weights, active)) is not None:
                nodes = tuple(node for node, other in self.numbers if other == position)
                yield nodes, self._dropped(output, nodes, position, drop, masks)

    def _without_weights(self, state: Tensor, position: int, mix: Tensor, active: Active | None) -> Tensor | None:
        """The state itself and its pools, by one diagonal convolution for all nodes that read it."""
        edges = tuple(number for (_, other), number in self.numbers.items() if other == position)
        terms, columns = [], []
        for column, name in enumerate(self.space.operations):
            if active is not None and not any(active[edge][column] for edge in edges):
                continue
            if name == "skip_connect" and self.stride == 1:
                terms.append(state)
            elif name in POOLS:
                terms.append(self._pooled(name, state, position))
            else:
                continue
            columns.append(column)
        if not terms:
            return None
        shares = torch.stack([mix[:, column] for column in columns], dim=1)[index(edges, mix.device)]
        if active is not None:
            chosen = tuple(tuple(active[edge][column] for column in columns) for edge in edges)
            shares = shares * flags(chosen, shares.device)
        channels = state.shape[1]
        diagonal = torch.eye(channels, dtype=shares.dtype, device=shares.device)
        weight = shares[:, None, :, None] * diagonal[None, :, None, :]
        return F.conv2d(torch.cat(terms, dim=1), weight.reshape(len(edges) * channels, len(terms) * channels, 1, 1))

    def _pooled(self, name: str, state: Tensor, position: int) -> Tensor:
        pool = F.max_pool2d if name == "max_pool_3x3" else partial(F.avg_pool2d, count_include_pad=False)
        pooled = pool(state, 3, self.stride, padding=1)
        return self.pools[name][position](pooled) if name in self.pools else pooled  # type: ignore[index]

    def _dropped(
        self, output: Tensor, nodes: tuple[int, ...], position: int, drop: float, masks: dict[tuple[int, int], Tensor]
    ) -> Tensor:
        """Drop whole edges of single images with all their operations (Zela et al. 2020, section 5)."""
        if drop == 0 or not self.training:
            return output
        for node in nodes:
            if (node, position) not in masks:
                mask = own_rows(len(output), lambda images: output.new_empty(images).bernoulli_(1 - drop))
                masks[node, position] = mask / (1 - drop)
        mask = torch.stack([masks[node, position] for node in nodes], dim=1)
        return output * mask.repeat_interleave(output.shape[1] // len(nodes), dim=1)[:, :, None, None]

    def _blocks(self, name: str, edges: tuple[int, ...], apart: bool) -> list[Block]:
        """Plan `name` on `edges`: at once if each node reads the same sources, else or if `apart` source by source."""
        key = (name, edges, apart)
        if key not in self._plans:
            wanted = {place: number for place, number in self.numbers.items() if number in edges}
            nodes = sorted({node for node, _ in wanted})
            positions = sorted({position for _, position in wanted})
            if not apart and len(wanted) == len(nodes) * len(positions):
                groups = [(nodes, positions)]
            else:
                groups = [([node for node in nodes if (node, one) in wanted], [one]) for one in positions]
            blocks = []
            for readers, read in groups:
                numbers = tuple(wanted[node, position] for node in readers for position in read)
                rows = tuple(self.edges_of[name].index(number) for number in numbers)
                all_numbers, all_rows = tuple(range(len(self.places))), tuple(range(len(self.edges_of[name])))
                chosen = None if numbers == all_numbers else numbers
                blocks.append(Block(tuple(readers), tuple(read), chosen, None if rows == all_rows else rows))
            self._plans[key] = [block for block in blocks if block.nodes]
        return self._plans[key]


class MixedCell(nn.Module):
    """A cell with all its edges; the operations see 1/K of the channels, the rest bypass them (Xu et al. 2020, 3.1)."""

    def __init__(
        self, space: CellSpace, kind: str, preprocess: nn.Module | None, channels: int, *, halves: bool, k: int = 1
    ) -> None:
        super().__init__()
        self.space, self.kind, self.halves, self.k = space, kind, halves, k
        self.preprocess = preprocess
        self.channels, self.mixed = channels, channels // k
        groups: list[list[int]] = []
        sources = range(space.inputs + space.nodes)
        readers = [{node for node, other in space.edges() if other == source} for source in sources]
        for source in sources:
            if groups and source < space.inputs and readers[source] == readers[groups[-1][0]]:
                groups[-1].append(source)
            elif readers[source]:
                groups.append([source])
        # the name is part of the names of the tensors in files of weights
        self.stages = nn.ModuleList(
            EdgeGroup(space, kind, sources, self.mixed, stride=2 if halves and sources[0] < space.inputs else 1)
            for sources in groups
        )

    def forward(self, inputs: Sequence[Tensor], mix: Mix, drop: float = 0.0) -> Tensor:
        """Map the outputs of the cells before to (N, nodes of `concat` * channels, H, W)."""
        weights = mix.weights[self.kind]
        active = None if mix.active is None else mix.active[self.kind]
        around = None if mix.around is None else mix.around[self.kind]
        states = list(inputs) if self.preprocess is None else self.preprocess(*inputs)
        added: list[list[Tensor]] = [[] for _ in range(self.space.nodes)]
        sides = [-(-side // 2) if self.halves else side for side in states[0].shape[2:]]
        for group in self.stages:
            assert isinstance(group, EdgeGroup)
            while len(states) <= max(group.sources):
                states.append(self._node(states, added, sides, around))
            together: dict[tuple[int, ...], list[Tensor]] = {}
            read = [states[source][:, : self.mixed] for source in group.sources]
            for nodes, output in group(read, weights, active, drop):
                together.setdefault(nodes, []).append(output)
            for nodes, terms in together.items():
                for node, term in zip(nodes, total(terms).split(self.mixed, dim=1), strict=True):
                    added[node].append(term)
        while len(states) < self.space.inputs + self.space.nodes:
            states.append(self._node(states, added, sides, around))
        return torch.cat([states[self.space.inputs + node] for node in self.space.concat], dim=1)

    def _node(self, states: list[Tensor], added: list[list[Tensor]], sides: list[int], around: Tensor | None) -> Tensor:
        node = len(states) - self.space.inputs
        # nothing leads to a node whose edges are all `none`
        mixed = total(added[node]) if added[node] else states[0].new_zeros(len(states[0]), self.mixed, *sides)
        if self.k == 1:
            return mixed
        terms = []
        for place, (reader, source) in enumerate(self.space.edges()):
            if reader == node:
                rest = states[source][:, self.mixed :]
                if self.halves and source < self.space.inputs:
                    rest = F.max_pool2d(rest, 2, 2, ceil_mode=True)
                terms.append(rest if around is None else rest * around[place])
        # neighbours come from different parts afterwards, so that other channels are mixed in the next node
        whole = torch.cat([mixed, total(terms)], dim=1)
        return whole.unflatten(1, (self.k, self.mixed)).transpose(1, 2).flatten(1, 2)
