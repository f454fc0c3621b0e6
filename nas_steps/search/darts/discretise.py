"""From alphas to architectures (Liu et al. 2019, section 2.4). Imports no torch."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import TypeVar

from nas_steps.spaces.cells.operations import OPERATIONS
from nas_steps.spaces.cells.space import Cell, CellArchitecture, CellSpace, Node

#: (edges, operations): for each edge the weights of its operations, `none` included; 0 if the edge may not have one
Weights = Sequence[Sequence[float]]
Choice = TypeVar("Choice")


def entropy(mix: Weights) -> float:
    """Return the edges' mean entropy in nats: `largest_entropy` of the space if undecided, 0 if decided.

    Each edge's weights are taken relative to their sum, so that a weight of the edge itself has no say."""
    return sum(map(_entropy, mix)) / len(mix)


def _entropy(row: Sequence[float]) -> float:
    strength = sum(row)
    return -sum(weight / strength * math.log(weight / strength) for weight in row if weight > 0)


def entropy_of_gates(gates: Weights, allowed: Sequence[Sequence[bool]]) -> float:
    """Return the mean entropy of operations that are each on or off with weights (edges, operations) in [0, 1].

    A gate's binary entropy is scaled to the range of `entropy`: an edge of n operations has ln(n) nats if all its gates
    are at 1/2, 0 if each is at 0 or 1."""
    edges = []
    for row, may in zip(gates, allowed, strict=True):
        binary = [_entropy((gate, 1 - gate)) / math.log(2) for gate, one in zip(row, may, strict=True) if one]
        edges.append(math.log(len(binary)) * sum(binary) / len(binary))
    return sum(edges) / len(edges)


def parameter_free(cell: Cell) -> float:
    """Return the share of connections without weights (1 of none); near 1 the cell has collapsed."""
    edges = [operation for node in cell for operation, _ in node if operation != "none"]
    return sum(not OPERATIONS[operation] for operation in edges) / len(edges) if edges else 1.0


def most_likely(space: CellSpace, mixes: Mapping[str, Weights], count: int) -> list[tuple[CellArchitecture, float]]:
    """Return the `count` architectures with the largest sums of log weights over kept edges, best first.

    `mixes` is by kind (edges, operations). The first one is the paper's discretisation: each node keeps the edges with
    the strongest operations. Equals keep the order of the space's declaration."""
    best: list[tuple[float, dict[str, Cell]]] = [(0.0, {})]
    for kind in space.kinds:
        pairs = product(best, _best_cells(space, kind, mixes[kind], count))
        best = _best(((score + more, {**chosen, kind: cell}) for (score, chosen), (more, cell) in pairs), count)
    return [(CellArchitecture(cells, dict.fromkeys(cells, space.concat)), score) for score, cells in best]


def _best_cells(space: CellSpace, kind: str, mix: Weights, count: int) -> list[tuple[float, Cell]]:
    # by edge: (log of its weight, name) of each choice
    logs = {}
    for index, (edge, row) in enumerate(zip(space.edges(), mix, strict=True)):
        weights = dict(zip(space.operations, row, strict=True))
        logs[edge] = [(math.log(max(weights[name], 1e-300)), name) for name in space.choices_of(kind, index)]
    best: list[tuple[float, Cell]] = [(0.0, ())]
    for node in range(space.nodes):
        choices = ({source: logs[node, source] for source in kept} for kept in space.kept_sources(node))
        nodes = _best((chosen for choice in choices for chosen in _best_nodes(choice, count)), count)
        best = _best(((score + more, (*cell, node)) for (score, cell), (more, node) in product(best, nodes)), count)
    return best


def _best_nodes(kept: Mapping[int, Sequence[tuple[float, str]]], count: int) -> list[tuple[float, Node]]:
    """Grow a node edge by edge: a choice that falls behind never leads again."""
    best: list[tuple[float, Node]] = [(0.0, ())]
    for source, logs in kept.items():
        grown = [(score + log, (*node, (name, source))) for (score, node), (log, name) in product(best, logs)]
        best = _best(grown, count)
    return best


def _best(scored: Iterable[tuple[float, Choice]], count: int) -> list[tuple[float, Choice]]:
    return sorted(scored, key=lambda pair: -pair[0])[:count]


def skips(architecture: CellArchitecture) -> int:
    """Count skip connections among the kept edges of the first kind of cell, the normal one."""
    cell = next(iter(architecture.cells.values()))
    return sum(operation == "skip_connect" for node in cell for operation, _ in node)
