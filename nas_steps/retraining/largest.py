"""Find the largest network of cells: the choice of a user who does not search."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from nas_steps.spaces.cells.space import CellArchitecture, CellSpace

#: (architecture of two-node cells) -> (MACs, parameters) of its network
Measure = Callable[[CellArchitecture], tuple[int, int]]


def largest_cells(space: CellSpace, measure: Measure) -> CellArchitecture:
    """Return the architecture of most MACs, of equal ones that of most parameters.

    It is exact, since both are sums over the edges. An edge's cost depends on its operation, its kind of cell and
    whether it reads an input, whose side a reduction cell halves; so one edge of each sort is measured with each
    operation. A node that keeps some of its edges keeps the most expensive. Of equals the first is taken: the first
    operation declared, the first sources.
    """

    @cache
    def cost(kind: str, operation: str, of_input: bool) -> tuple[int, int]:
        probe = (("skip_connect", 0),), ((operation, 0 if of_input else space.inputs),)
        plain = (("skip_connect", 0),), (("skip_connect", 0),)
        return measure(CellArchitecture({one: probe if one == kind else plain for one in space.kinds}))

    def most_expensive(kind: str, node: int, source: int) -> tuple[tuple[int, int], str]:
        costs = [
            (cost(kind, operation, source < space.inputs), operation)
            for operation in space.choices_between(kind, node, source)
        ]
        # max returns the first of equals
        return max(costs, key=lambda pair: pair[0])

    cells = {}
    for kind in space.kinds:
        nodes = []
        for node in range(space.nodes):
            edges = {source: most_expensive(kind, node, source) for source in space.sources(node)}

            def total(sources: Iterable[int], edges: dict[int, Any] = edges) -> tuple[int, ...]:
                # each cost contains the same rest of the network, so that costs add up as the edges do
                return tuple(sum(edges[source][0][figure] for source in sources) for figure in (0, 1))

            nodes.append(tuple((edges[source][1], source) for source in max(space.kept_sources(node), key=total)))
        cells[kind] = tuple(nodes)
    return space.made(cells)
