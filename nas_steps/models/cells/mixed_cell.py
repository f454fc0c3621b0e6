"""A cell of a supernet: all operations of all edges, mixed by weights (Liu et al. 2019, section 2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.models.cells.stacked import Sources, stack, total
from nas_steps.spaces.cells.space import CellSpace

#: (nodes, (N, nodes * C, H, W)): what a stage adds to each of these nodes
Contribution = tuple[tuple[int, ...], Tensor]

POOLS = ("max_pool_3x3", "avg_pool_3x3")


class Block:
    """Edges from the states at `positions` of a stage to each of `nodes`, node by node: `edges` are their places in the
    stage, `rows` those in the operation's parameters (None: all in order)."""

    def __init__(
        self, nodes: Sequence[int], positions: Sequence[int], edges: Tensor | None, rows: Tensor | None
    ) -> None:
        self.nodes, self.positions = tuple(nodes), tuple(positions)
        self.edges, self.rows = edges, rows


class EdgeGroup(nn.Module):
    """The edges of a cell from `sources` to all nodes that read them: what is ready at the same time."""

    def __init__(self, space: CellSpace, kind: str, sources: Sequence[int], channels: int, stride: int) -> None:
        super().__init__()
        self.space, self.kind, self.stride = space, kind, stride
        self.sources = tuple(sources)
        self.channels = channels
        edges = space.edges()
        #: (node, position among the sources) -> place among the cell's edges
        self.edges = {
            (node, self.sources.index(source)): place
            for place, (node, source) in enumerate(edges)
            if source in self.sources
        }
        allowed = space.allowed(kind)
        self.operations = nn.ModuleDict()
        self.places: dict[str, list[int]] = {}
        for index, name in enumerate(space.operations):
            places = [place for place in self.edges.values() if allowed[place][index]]
            if places and (module := stack(name, len(places), channels, stride)) is not None:
                self.operations[name] = module
                self.places[name] = places
        # pooled states are the same for all nodes that read them, and so is their norm
        self.pools = nn.ModuleDict()
        for name in POOLS:
            if name in space.operations and space.inputs == 2:
                self.pools[name] = nn.ModuleList(nn.BatchNorm2d(channels, affine=False) for _ in self.sources)
        self.order = list(self.edges.values())
        # on the device, so that nothing is copied there in a step
        self._order: Tensor
        self.register_buffer("_order", torch.tensor(self.order), persistent=False)
        self.readers: list[dict[int, int]] = []  # by position: node -> place among the cell's edges
        for position in range(len(self.sources)):
            found = {node: place for (node, other), place in self.edges.items() if other == position}
            self.readers.append(found)
            within = torch.tensor([self.order.index(place) for place in found.values()])
            self.register_buffer(f"_readers_{position}", within, persistent=False)
        self._plans: dict[tuple[str, tuple[int, ...], bool, torch.device], list[Block]] = {}

    def forward(
        self, states: Sequence[Tensor], mix: Tensor, active: Sequence[Sequence[bool]] | None, drop: float
    ) -> Iterator[Contribution]:
        """`states` (N, C, H, W) of the sources, `mix` (edges of the cell, operations). `drop` is the probability that
        an edge contributes nothing to an image."""
        sources = Sources(states)
        here = mix[self._order]
        columns = here.unbind(1)
        masks: dict[tuple[int, int], Tensor] = {}
        for index, name in enumerate(self.space.operations):
            if name not in self.operations:
                continue
            places = [place for place in self.places[name] if active is None or active[place][index]]
            for block in self._blocks(name, places, drop > 0, mix.device):
                scale = columns[index] if block.edges is None else columns[index][block.edges]
                found = self.operations[name](sources, block.positions, len(block.nodes), scale, block.rows)
                yield block.nodes, self._dropped(found, block.nodes, block.positions[0], drop, masks)
        for position, state in enumerate(states):
            yield from self._plain(state, position, here, active, drop, masks)

    def _plain(
        self,
        state: Tensor,
        position: int,
        here: Tensor,
        active: Sequence[Sequence[bool]] | None,
        drop: float,
        masks: dict[tuple[int, int], Tensor],
    ) -> Iterator[Contribution]:
        """What has no weights: the state itself and its pools, by one diagonal convolution for all nodes."""
        readers = self.readers[position]
        terms, indices = [], []
        for index, name in enumerate(self.space.operations):
            if active is not None and not any(active[place][index] for place in readers.values()):
                continue
            if name == "skip_connect" and self.stride == 1:
                terms.append(state)
            elif name in POOLS:
                terms.append(self._pooled(name, state, position))
            else:
                continue
            indices.append(index)
        if not terms:
            return
        shares = torch.stack([here[:, index] for index in indices], dim=1)[getattr(self, f"_readers_{position}")]
        if active is not None:
            chosen = [[active[place][index] for index in indices] for place in readers.values()]
            shares = shares * torch.tensor(chosen, device=shares.device)
        channels = state.shape[1]
        diagonal = torch.eye(channels, dtype=shares.dtype, device=shares.device)
        weight = shares[:, None, :, None] * diagonal[None, :, None, :]
        weight = weight.reshape(len(readers) * channels, len(terms) * channels, 1, 1)
        nodes = tuple(readers)
        found = F.conv2d(torch.cat(terms, dim=1), weight)
        yield nodes, self._dropped(found, nodes, position, drop, masks)

    def _pooled(self, name: str, state: Tensor, position: int) -> Tensor:
        if name == "max_pool_3x3":
            found = F.max_pool2d(state, 3, self.stride, padding=1)
        else:
            found = F.avg_pool2d(state, 3, self.stride, padding=1, count_include_pad=False)
        if name in self.pools:
            found = self.pools[name][position](found)  # type: ignore[index]
        return found

    def _dropped(
        self, found: Tensor, nodes: tuple[int, ...], position: int, drop: float, masks: dict[tuple[int, int], Tensor]
    ) -> Tensor:
        """Drop whole edges of single images; all operations of an edge share its fate (Zela et al. 2020, section 5)."""
        if drop == 0 or not self.training:
            return found
        for node in nodes:
            if (node, position) not in masks:
                masks[node, position] = found.new_empty(len(found)).bernoulli_(1 - drop) / (1 - drop)
        mask = torch.stack([masks[node, position] for node in nodes], dim=1)
        return found * mask.repeat_interleave(found.shape[1] // len(nodes), dim=1)[:, :, None, None]

    def _blocks(self, name: str, places: list[int], apart: bool, device: torch.device) -> list[Block]:
        """How to compute `name` on the edges `places`: at once where each node reads the same sources, else (or when
        sources are to be kept `apart`) source by source."""
        key = (name, tuple(places), apart, device)
        if key not in self._plans:
            wanted = {edge: place for edge, place in self.edges.items() if place in places}
            nodes = sorted({node for node, _ in wanted})
            positions = sorted({position for _, position in wanted})
            if not apart and len(wanted) == len(nodes) * len(positions):
                groups = [(nodes, positions)]
            else:
                groups = [
                    ([node for node in nodes if (node, position) in wanted], [position]) for position in positions
                ]
            blocks = []
            for some, their in groups:
                edges = [wanted[node, position] for node in some for position in their]
                rows = [self.places[name].index(place) for place in edges]
                in_order = rows == list(range(len(self.places[name])))
                block = Block(
                    some,
                    their,
                    None if edges == self.order else torch.tensor([self.order.index(e) for e in edges], device=device),
                    None if in_order else torch.tensor(rows, device=device),
                )
                blocks.append(block)
            self._plans[key] = [block for block in blocks if block.nodes]
        return self._plans[key]


class MixedCell(nn.Module):
    """A cell with all its possible edges, of `channels` channels.

    With `parts` = K > 1 the operations see the first of K parts of the channels, and the others go around them (Xu et
    al. 2020, section 3.1).
    """

    def __init__(
        self, space: CellSpace, kind: str, preprocess: nn.Module | None, channels: int, *, halves: bool, parts: int = 1
    ) -> None:
        super().__init__()
        self.space, self.kind, self.halves, self.parts = space, kind, halves, parts
        self.preprocess = preprocess
        self.mixed = channels // parts
        stages: list[list[int]] = []
        for source in range(space.inputs + space.nodes):
            readers = {node for node, other in space.edges() if other == source}
            alike = stages and source < space.inputs
            if alike and readers == {node for node, other in space.edges() if other == stages[-1][0]}:
                stages[-1].append(source)
            elif readers:
                stages.append([source])
        self.stages = nn.ModuleList(
            EdgeGroup(space, kind, sources, self.mixed, stride=2 if halves and sources[0] < space.inputs else 1)
            for sources in stages
        )

    def forward(
        self,
        inputs: Sequence[Tensor],
        mix: Tensor,
        active: Sequence[Sequence[bool]] | None = None,
        around: Tensor | None = None,
        drop: float = 0.0,
    ) -> Tensor:
        """`inputs`: the outputs of the cells before; `mix` (edges, operations); `around` (edges,) weighs the channels
        that go around the operations."""
        states = list(inputs) if self.preprocess is None else self.preprocess(*inputs)
        added: list[list[Tensor]] = [[] for _ in range(self.space.nodes)]
        size = states[0].shape
        sides = [-(-side // 2) if self.halves else side for side in size[2:]]
        done = self.space.inputs
        for stage in self.stages:
            assert isinstance(stage, EdgeGroup)
            while done <= max(stage.sources):
                states.append(self._node(done - self.space.inputs, states, added, sides, around))
                done += 1
            together: dict[tuple[int, ...], list[Tensor]] = {}
            read = [states[source][:, : self.mixed] for source in stage.sources]
            for nodes, found in stage(read, mix, active, drop):
                together.setdefault(nodes, []).append(found)
            for nodes, terms in together.items():
                for node, term in zip(nodes, total(terms).split(self.mixed, dim=1), strict=True):
                    added[node].append(term)
        while done < self.space.inputs + self.space.nodes:
            states.append(self._node(done - self.space.inputs, states, added, sides, around))
            done += 1
        return torch.cat([states[self.space.inputs + node] for node in self.space.concat], dim=1)

    def _node(
        self, node: int, states: list[Tensor], added: list[list[Tensor]], sides: list[int], around: Tensor | None
    ) -> Tensor:
        # nothing leads to a node whose edges are all `none`
        found = total(added[node]) if added[node] else states[0].new_zeros(len(states[0]), self.mixed, *sides)
        if self.parts == 1:
            return found
        terms = []
        for place, (reader, source) in enumerate(self.space.edges()):
            if reader == node:
                rest = states[source][:, self.mixed :]
                if self.halves and source < self.space.inputs:
                    rest = F.max_pool2d(rest, 2, 2, ceil_mode=True)
                terms.append(rest if around is None else rest * around[place])
        # neighbours come from different parts afterwards, so that other channels are mixed in the next node
        whole = torch.cat([found, total(terms)], dim=1)
        return whole.unflatten(1, (self.parts, self.mixed)).transpose(1, 2).flatten(1, 2)
