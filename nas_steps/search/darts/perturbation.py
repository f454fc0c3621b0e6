"""DARTS-PT: keep the operation that the supernet misses most, not that of the largest alpha (Wang et al. 2021).

Algorithm 1: edges in random order, one at a time, then nodes in random order; the supernet learns in between."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import torch
from torch import Tensor

from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.models.cells.supernet import Supernet
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.selecting import choosing_nodes, rounds_of
from nas_steps.spaces.cells.space import CellArchitecture, Node

#: how good the supernet is under a mix
Accuracy = Callable[[Mix], float]

OPEN = -1


class Projection:
    """What is decided so far of each edge; `decide` decides on, and `apply` makes any mix obey.

    A round decides one edge of each kind of cell, or in the end one node of each kind."""

    def __init__(self, supernet: Supernet, seed: int) -> None:
        self.supernet, self.space = supernet, supernet.space
        random = Random(derive_seed(seed, "perturbation"))
        #: by kind: the edges, then the nodes that choose among their edges, each in the order of deciding
        self.order: dict[str, tuple[list[int], list[int]]] = {}
        for kind in self.space.kinds:
            edges, nodes = list(range(len(self.space.edges()))), choosing_nodes(self.space)
            random.shuffle(edges)
            random.shuffle(nodes)
            self.order[kind] = edges, nodes
        #: by kind and edge: the place of the chosen operation, or OPEN
        self.chosen = {kind: [OPEN] * len(self.space.edges()) for kind in self.space.kinds}
        self.kept = {kind: [True] * len(self.space.edges()) for kind in self.space.kinds}
        #: how often it was decided, by which tensors were replaced
        self.decisions = 0
        self._prepare()

    @property
    def rounds(self) -> int:
        return rounds_of(self.space)

    def decide(self, number: int, expected: Mix, accuracy: Accuracy) -> list[str]:
        """Decide round `number` (from 0) by the accuracies of an `expected` mix; return what was decided, in words."""
        told = []
        for kind, (edges, nodes) in self.order.items():
            if number < len(edges):
                edge = edges[number]
                names = self.space.choices_of(kind, edge)
                name = names[0]
                if len(names) > 1:
                    missed = [accuracy(self._without(expected, kind, edge, name)) for name in names]
                    name = names[missed.index(min(missed))]
                self.chosen[kind][edge] = self.space.operations.index(name)
                told.append(f"{kind} edge {edge}: {name}")
            else:
                node = nodes[number - len(edges)]
                told.append(f"{kind} node {node}: edges {self._cut(kind, node, expected, accuracy)}")
            self._prepare()
        return told

    def _cut(self, kind: str, node: int, expected: Mix, accuracy: Accuracy) -> list[int]:
        """Remove the edges of a node one by one: each time the one that is missed least by those that are left."""
        left = [edge for edge, (reader, _) in enumerate(self.space.edges()) if reader == node]
        assert self.space.edges_per_node is not None
        while len(left) > self.space.edges_per_node:
            accuracies = [accuracy(self._without(expected, kind, edge)) for edge in left]
            # of equals the last one goes, as in the authors' code
            place = max(range(len(left)), key=lambda place: (accuracies[place], place))
            self.kept[kind][left.pop(place)] = False
            self._prepare()
        return left

    def _without(self, expected: Mix, kind: str, edge: int, name: str | None = None) -> Mix:
        """Return the mix without an operation of an edge, or without the edge; nothing takes its share."""
        mix = self.apply(expected)
        weights, around = mix.weights[kind].clone(), mix.around
        assert mix.active is not None
        active = [list(row) for row in mix.active[kind]]
        columns = range(len(active[edge])) if name is None else [self.space.operations.index(name)]
        for column in columns:
            weights[edge, column] = 0
            active[edge][column] = False
        if name is None and around is not None:
            bypass = around[kind].clone()
            bypass[edge] = 0
            around = {**around, kind: bypass}
        return Mix({**mix.weights, kind: weights}, {**mix.active, kind: active}, around)

    def apply(self, mix: Mix) -> Mix:
        """Return the mix with what is decided: a decided edge has its operation alone, a removed one nothing.

        A decided operation has the weight 1, as in the authors' code, or all of the weight that the edge itself has."""
        weights, active = {}, {}
        for kind, rows in mix.weights.items():
            edges = 1.0 if mix.around is None else mix.around[kind].unsqueeze(1)
            weights[kind] = rows * self._open[kind] + self._hard[kind].to(rows) * edges
            active[kind] = self._active(kind, None if mix.active is None else mix.active[kind])
        around = mix.around
        if around is not None:
            around = {kind: share * self._bypass[kind].to(share) for kind, share in around.items()}
        return Mix(weights, active, around)

    def _active(self, kind: str, active: Any) -> list[list[bool]]:
        given = self._may[kind] if active is None else active
        return [
            list(row) if place == OPEN else [kept and column == place for column in range(len(row))]
            for row, place, kept in zip(given, self.chosen[kind], self.kept[kind], strict=True)
        ]

    def _prepare(self) -> None:
        """Copy what is decided to the supernet's device."""
        self.decisions += 1
        self._open: dict[str, Tensor] = {}
        self._hard: dict[str, Tensor] = {}
        self._bypass: dict[str, Tensor] = {}
        self._may: dict[str, list[list[bool]]] = {}
        for kind, alphas in self.supernet.alphas.items():
            hard = torch.zeros(alphas.shape)
            bypass = torch.ones(len(alphas))
            for edge, (place, kept) in enumerate(zip(self.chosen[kind], self.kept[kind], strict=True)):
                if place != OPEN and kept:
                    hard[edge, place] = 1
                # an edge that was removed, or whose operation is to be no connection, passes nothing by either
                if not kept or (place != OPEN and self.space.operations[place] == "none"):
                    bypass[edge] = 0
            undecided = torch.tensor([[place == OPEN] for place in self.chosen[kind]])
            self._open[kind], self._hard[kind] = undecided.to(alphas.device), hard.to(alphas.device)
            self._bypass[kind] = bypass.to(alphas.device)
            self._may[kind] = self.supernet.space.allowed(kind)

    def architecture(self) -> CellArchitecture:
        """Return what is decided after the last round. Raises ValueError before."""
        if any(OPEN in places for places in self.chosen.values()):
            raise ValueError("not every edge is decided yet")

        def node_of(kind: str, node: int) -> Node:
            decided = zip(self.chosen[kind], self.kept[kind], self.space.edges(), strict=True)
            return tuple(
                (self.space.operations[place], source)
                for place, kept, (reader, source) in decided
                if kept and reader == node
            )

        cells = {kind: tuple(node_of(kind, node) for node in range(self.space.nodes)) for kind in self.space.kinds}
        return self.space.check(CellArchitecture(cells, dict.fromkeys(cells, self.space.concat)))

    def state_dict(self) -> dict[str, Any]:
        return {"chosen": copied(self.chosen), "kept": copied(self.kept)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.chosen, self.kept = copied(state["chosen"]), copied(state["kept"])
        self._prepare()


def copied(by_kind: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {kind: list(values) for kind, values in by_kind.items()}


@contextmanager
def choices_alone(supernet: Supernet) -> Iterator[None]:
    """Take operations that no architecture may have, such as `none`, out of the relaxation for the block."""
    before = {kind: supernet.allowed(kind).clone() for kind in supernet.alphas}
    for kind, allowed in before.items():
        choices = [supernet.space.choices_of(kind, edge) for edge in range(len(allowed))]
        rows = [[name in names for name in supernet.space.operations] for names in choices]
        supernet.allow(kind, torch.tensor(rows))
    try:
        yield
    finally:
        for kind, allowed in before.items():
            supernet.allow(kind, allowed)
