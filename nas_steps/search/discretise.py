"""From alphas to architectures (Liu et al. 2019, section 2.4). Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations, product

from nas_steps.spaces.cells import Cell, CellArchitecture, CellSpace, Node
from nas_steps.spaces.operations import OPERATIONS

#: (edges, operations): for each edge the softmax over the space's operations, `none` included
Mix = Sequence[Sequence[float]]
Scored = tuple[float, Node]


def softmax(alphas: Sequence[Sequence[float]]) -> list[list[float]]:
    """Row-wise softmax of (edges, operations)."""
    mixed = []
    for row in alphas:
        largest = max(row)
        powers = [math.exp(value - largest) for value in row]
        mixed.append([power / sum(powers) for power in powers])
    return mixed


def entropy(mix: Mix) -> float:
    """Mean entropy of the edges' softmax, in nats: log(operations) when undecided, 0 when decided."""
    return sum(-sum(weight * math.log(weight) for weight in row if weight > 0) for row in mix) / len(mix)


def parameter_free(cell: Cell) -> float:
    """Share of a cell's kept edges whose operation has no weights: a sign of collapse when it comes near 1."""
    edges = [operation for node in cell for operation, _ in node]
    return sum(not OPERATIONS[operation] for operation in edges) / len(edges)


def most_likely(space: CellSpace, mixes: Mapping[str, Mix], count: int) -> list[tuple[CellArchitecture, float]]:
    """The `count` architectures of highest log-likelihood, best first: the sum over kept edges of log softmax.

    The first is the paper's discretisation: each node keeps the edges with the strongest operation beside `none`, and
    on each of them that operation. Equals keep the order of the space's declaration.
    """
    cells = {kind: _best_cells(space, mix, count) for kind, mix in mixes.items()}
    pairs = [
        (normal_score + reduce_score, CellArchitecture(normal=normal, reduce=reduce))
        for (normal_score, normal), (reduce_score, reduce) in product(cells["normal"], cells["reduce"])
    ]
    pairs.sort(key=lambda pair: -pair[0])
    return [(architecture, score) for score, architecture in pairs[:count]]


def _best_cells(space: CellSpace, mix: Mix, count: int) -> list[tuple[float, Cell]]:
    best: list[tuple[float, Cell]] = [(0.0, ())]
    first_edge = 0
    for node in range(space.nodes):
        sources = space.sources(node)
        rows = {source: mix[first_edge + source] for source in sources}
        first_edge += len(sources)
        grown = [
            (score + more, (*cell, chosen)) for score, cell in best for more, chosen in _best_nodes(space, rows, count)
        ]
        grown.sort(key=lambda pair: -pair[0])
        best = grown[:count]
    return best


def _best_nodes(space: CellSpace, rows: Mapping[int, Sequence[float]], count: int) -> list[Scored]:
    """The best choices of edges and operations of one node."""
    logs = {
        source: [
            (math.log(max(row[index], 1e-300)), name) for index, name in enumerate(space.operations) if name != "none"
        ]
        for source, row in rows.items()
    }
    found: list[Scored] = []
    for kept in combinations(rows, space.edges_per_node):
        for chosen in product(*(logs[source] for source in kept)):
            score = sum(log for log, _ in chosen)
            found.append((score, tuple((name, source) for (_, name), source in zip(chosen, kept, strict=True))))
    found.sort(key=lambda pair: -pair[0])
    return found[:count]
