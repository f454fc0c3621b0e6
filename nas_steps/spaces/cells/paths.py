"""Cells as paths: node by node, the sources that it keeps, then the operation of each edge."""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from nas_steps.spaces.cells.architectures import CellArchitecture, Edge
from nas_steps.spaces.cells.costs import BASE, CellBlocks
from nas_steps.spaces.paths import END, START, Arc, Paths


def cell_paths(costs: CellBlocks) -> Paths:
    """Make the paths of a space of cells. The terms of a score are the operations of the edges, edge by edge."""
    space = costs.space

    def choices(architecture: CellArchitecture) -> Iterator[Hashable]:
        yield BASE
        for kind in space.kinds:
            for node in architecture.cells[kind]:
                yield tuple(source for _, source in node)
                yield from node

    def made(path: Sequence[Any]) -> CellArchitecture:
        left = iter(path[1:])
        cells = {}
        for kind in space.kinds:
            nodes = []
            for _ in range(space.nodes):
                nodes.append(tuple(next(left) for _ in next(left)))
            cells[kind] = tuple(nodes)
        return space.made(cells)

    return Paths(_arcs(costs), choices, made)


def _arcs(costs: CellBlocks) -> Iterator[Arc]:
    space = costs.space
    hubs = [(kind, node) for kind in space.kinds for node in range(space.nodes)]
    yield Arc(START, hubs[0], BASE, (BASE,))
    for (kind, node), after in zip(hubs, [*hubs[1:], END], strict=True):
        for kept in space.kept_sources(node):
            within: list[Hashable] = [(kind, node, kept, place) for place in range(len(kept))]
            yield Arc((kind, node), within[0], kept)
            for source, tail, head in zip(kept, within, [*within[1:], after], strict=True):
                for operation in space.choices_between(kind, node, source):
                    edge: Edge = (operation, source)
                    names = (costs.edge_name(kind, source, operation),)
                    yield Arc(tail, head, edge, names, ((kind, node, source, operation),))
