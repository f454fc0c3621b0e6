"""Cells as decisions, and as numbers for a regression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from nas_steps.spaces.cells.architectures import Cell, CellArchitecture, Edge
from nas_steps.spaces.cells.declaration import CellDeclaration
from nas_steps.spaces.protocol import Decision

#: paths longer than what fits into so many numbers are left out of the encoding, the shortest always stay
LARGEST_PATHS = 256


class Slot(NamedTuple):
    """One decision's place: which edge of which node, and what of it is decided."""

    kind: str
    node: int
    position: int
    #: the only source that this edge can have, where that is so
    source: int | None
    decides_source: bool


class CellCoding:
    """The decisions and the encoding of a cell space.

    The decisions go through the kinds of cells, their nodes and each node's edges. Where a node can choose what it
    reads, an edge is two decisions, its source and its operation; else it is its operation. A node's sources are chosen
    in ascending order, so that each architecture has one sequence of choices, and all sequences are equally long: place
    i means the same in each.

    The encoding is, for each edge that a cell can have, the one-hot of its operation (zeros where the edge is not
    kept), and the path encoding of BANANAS (White et al. 2021, section 3): a number for each sequence of operations
    that can lead from an input to the output, 1 where some path of the cell is that sequence. A path through `none` is
    none. As there, sequences are left out from a length on, since long ones are rare.
    """

    def __init__(self, space: CellDeclaration) -> None:
        self.space = space
        self.sources = tuple(map(str, range(space.inputs + space.nodes - 1)))
        self.index = {name: number for number, name in enumerate(space.choices)}
        self.slots = list(self._slots())
        self.edges = {
            (kind, node, source, name): number
            for number, (kind, (node, source), name) in enumerate(product(space.kinds, space.edges(), space.choices))
        }
        self.length = self._longest()
        computing = [name for name in space.choices if name != "none"]
        found = (
            (kind, start, *operations)
            for kind in space.kinds
            for length in range(1, self.length + 1)
            for start in range(space.inputs)
            for operations in product(computing, repeat=length)
        )
        self.paths = {path: len(self.edges) + number for number, path in enumerate(found)}

    def decision(self, prefix: Sequence[int]) -> Decision | None:
        if len(prefix) == len(self.slots):
            return None
        slot = self.slots[len(prefix)]
        if slot.decides_source:
            return Decision("source", self.sources, self._next_sources(slot, prefix))
        source = prefix[-1] if slot.source is None else slot.source
        names = self.space.choices_between(slot.kind, slot.node, source)
        return Decision("operation", self.space.choices, tuple(self.index[name] for name in names))

    def decode(self, choices: Sequence[int]) -> CellArchitecture:
        """Raises ValueError where the choices are not complete."""
        if len(choices) != len(self.slots):
            raise ValueError(f"an architecture of space {self.space.name} is {len(self.slots)} choices: {choices}")
        nodes: dict[str, list[list[Edge]]] = {kind: [[] for _ in range(self.space.nodes)] for kind in self.space.kinds}
        for number, (slot, choice) in enumerate(zip(self.slots, choices, strict=True)):
            if not slot.decides_source:
                source = choices[number - 1] if slot.source is None else slot.source
                nodes[slot.kind][slot.node].append((self.space.choices[choice], source))
        return self.space.made({kind: tuple(map(tuple, found)) for kind, found in nodes.items()})

    def decided(self, architecture: CellArchitecture) -> list[int]:
        choices = []
        for slot in self.slots:
            operation, source = architecture.cells[slot.kind][slot.node][slot.position]
            choices.append(source if slot.decides_source else self.index[operation])
        return choices

    def encode(self, architecture: CellArchitecture) -> list[float]:
        numbers = [0.0] * (len(self.edges) + len(self.paths))
        for kind, cell in architecture.cells.items():
            for node, edges in enumerate(cell):
                for operation, source in edges:
                    numbers[self.edges[kind, node, source, operation]] = 1.0
            for path in self._paths(cell):
                numbers[self.paths[(kind, *path)]] = 1.0
        return numbers

    def _slots(self) -> Iterator[Slot]:
        for kind in self.space.kinds:
            for node in range(self.space.nodes):
                kept, *others = self.space.kept_sources(node)
                for position, source in enumerate(kept):
                    if others:
                        yield Slot(kind, node, position, None, True)
                    yield Slot(kind, node, position, None if others else source, False)

    def _next_sources(self, slot: Slot, prefix: Sequence[int]) -> tuple[int, ...]:
        """Those behind the source chosen last that leave enough for the rest of the node's edges."""
        # of the edge before, the source and the operation stand at the end of the prefix
        last = prefix[-2] if slot.position else -1
        sources = self.space.sources(slot.node)
        assert self.space.edges_per_node is not None  # else no source is decided
        wanted = self.space.edges_per_node - slot.position - 1
        return tuple(source for source in sources[: len(sources) - wanted] if source > last)

    def _longest(self) -> int:
        """The longest paths of which all, with the shorter ones, fit into LARGEST_PATHS."""
        computing = sum(name != "none" for name in self.space.choices)
        count, length = 0, 0
        while length < self.space.nodes:
            count += len(self.space.kinds) * self.space.inputs * computing ** (length + 1)
            if length and count > LARGEST_PATHS:
                break
            length += 1
        return length

    def _paths(self, cell: Cell) -> set[tuple[int | str, ...]]:
        """(input, operation, operation, ...) of every path to the output, those that are too long aside."""
        inputs = self.space.inputs
        ending: list[set[tuple[int | str, ...]]] = []
        for edges in cell:
            found: set[tuple[int | str, ...]] = set()
            for operation, source in edges:
                if operation == "none":
                    continue
                before = [(source,)] if source < inputs else ending[source - inputs]
                found |= {(*path, operation) for path in before if len(path) <= self.length}
            ending.append(found)
        return set().union(*(ending[node] for node in self.space.concat))
