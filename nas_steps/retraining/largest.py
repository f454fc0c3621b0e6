"""The largest network of cells: what a user gets who does not search, and takes the dearest choice everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import TypeVar

from nas_steps.spaces.cells.space import CellArchitecture, CellSpace

T = TypeVar("T")

#: (architecture of two-node cells) -> (MACs, parameters) of its network
Measure = Callable[[CellArchitecture], tuple[int, int]]


def largest_cells(space: CellSpace, measure: Measure) -> CellArchitecture:
    """The architecture of most MACs, of equal ones that of most parameters: exact, since both are sums over the edges.

    What an edge costs depends on its operation, its kind of cell and whether it reads an input, which halves the side
    in a reduction cell; so one edge of each sort is measured with each operation. Where a node keeps some of its edges,
    it keeps the dearest. Of equals the first is taken: the first operation declared, the first sources.
    """

    @cache
    def cost(kind: str, operation: str, of_input: bool) -> tuple[int, int]:
        probe = (("skip_connect", 0),), ((operation, 0 if of_input else space.inputs),)
        plain = (("skip_connect", 0),), (("skip_connect", 0),)
        return measure(CellArchitecture({one: probe if one == kind else plain for one in space.kinds}))

    def dearest(kind: str, node: int, source: int) -> tuple[tuple[int, int], str]:
        of_input = source < space.inputs
        best = _first_largest(
            space.choices_between(kind, node, source), lambda operation: cost(kind, operation, of_input)
        )
        return cost(kind, best, of_input), best

    cells = {}
    for kind in space.kinds:
        nodes = []
        for node in range(space.nodes):
            edges = {source: dearest(kind, node, source) for source in space.sources(node)}
            # the costs all hold the same rest of the network, so that they add up as those of edges do
            kept = _first_largest(
                space.kept_sources(node),
                lambda sources, edges=edges: tuple(  # type: ignore[misc]
                    sum(edges[source][0][figure] for source in sources) for figure in (0, 1)
                ),
            )
            nodes.append(tuple((edges[source][1], source) for source in kept))
        cells[kind] = tuple(nodes)
    return space.made(cells)


def _first_largest(options: Iterable[T], key: Callable[[T], tuple[int, ...]]) -> T:
    """`max` with a promise: the first of equals."""
    best, *others = options
    for other in others:
        if key(other) > key(best):
            best = other
    return best
