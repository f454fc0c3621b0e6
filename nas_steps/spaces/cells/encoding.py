"""Cells as decisions, and as numbers for a regression."""

from collections.abc import Sequence
from functools import cached_property
from itertools import product
from typing import NamedTuple

from nas_steps.spaces.cells.architectures import Cell, CellArchitecture, Edge
from nas_steps.spaces.cells.declaration import CellDeclaration
from nas_steps.spaces.protocol import Decision

#: the encoding's paths, with all shorter ones, are at most this many; single edges are always encoded
LARGEST_PATHS = 256


class Slot(NamedTuple):
    """The place of a decision: an edge of a node."""

    kind: str
    node: int
    position: int
    #: the edge's source, None if it is decided too
    source: int | None
    decides_source: bool


class CellCoding(CellDeclaration):
    """The decisions and the encoding of a space of cells.

    The decisions go through kinds, nodes and edges. An edge is its operation, after its source if the node chooses
    that. Sources ascend within a node, so an architecture has one sequence of choices, and all are equally long.

    The encoding is the one-hot operation of each possible edge (zeros if it is not kept), and the path encoding of
    BANANAS (White et al. 2021, section 3). That is 1 for each sequence of operations, `none` excluded, on a path from
    an input to the output. As there, long sequences are left out.
    """

    def decision(self, prefix: Sequence[int]) -> Decision | None:
        if len(prefix) == len(self._slots):
            return None
        slot = self._slots[len(prefix)]
        if slot.decides_source:
            names = tuple(map(str, range(self.inputs + self.nodes - 1)))
            return Decision("source", names, self._next_sources(slot, prefix))
        source = prefix[-1] if slot.source is None else slot.source
        choices = self.choices
        allowed = tuple(map(choices.index, self.choices_between(slot.kind, slot.node, source)))
        return Decision("operation", choices, allowed)

    def decode(self, choices: Sequence[int]) -> CellArchitecture:
        if len(choices) != len(self._slots):
            raise ValueError(f"an architecture of space {self.name} is {len(self._slots)} choices: {choices}")
        nodes: dict[str, list[list[Edge]]] = {kind: [[] for _ in range(self.nodes)] for kind in self.kinds}
        for number, (slot, choice) in enumerate(zip(self._slots, choices, strict=True)):
            if not slot.decides_source:
                source = choices[number - 1] if slot.source is None else slot.source
                nodes[slot.kind][slot.node].append((self.choices[choice], source))
        return self.made({kind: tuple(map(tuple, found)) for kind, found in nodes.items()})

    def decided(self, architecture: CellArchitecture) -> list[int]:
        found, choices = [], self.choices
        for slot in self._slots:
            operation, source = architecture.cells[slot.kind][slot.node][slot.position]
            found.append(source if slot.decides_source else choices.index(operation))
        return found

    def encode(self, architecture: CellArchitecture) -> list[float]:
        numbers = [0.0] * (len(self._edge_places) + len(self._path_places))
        for kind, cell in architecture.cells.items():
            for node, edges in enumerate(cell):
                for operation, source in edges:
                    numbers[self._edge_places[kind, node, source, operation]] = 1.0
            for path in self._paths(cell):
                numbers[self._path_places[(kind, *path)]] = 1.0
        return numbers

    @cached_property
    def _slots(self) -> list[Slot]:
        slots = []
        for kind, node in product(self.kinds, range(self.nodes)):
            kept, *others = self.kept_sources(node)
            for position, source in enumerate(kept):
                if others:
                    slots.append(Slot(kind, node, position, None, True))
                slots.append(Slot(kind, node, position, None if others else source, False))
        return slots

    @cached_property
    def _edge_places(self) -> dict[tuple[str, int, int, str], int]:
        edges = product(self.kinds, self.edges(), self.choices)
        return {(kind, node, source, name): number for number, (kind, (node, source), name) in enumerate(edges)}

    @cached_property
    def _path_places(self) -> dict[tuple[object, ...], int]:
        paths = (
            (kind, start, *operations)
            for kind in self.kinds
            for length in range(1, self._length + 1)
            for start in range(self.inputs)
            for operations in product([name for name in self.choices if name != "none"], repeat=length)
        )
        return {path: number for number, path in enumerate(paths, start=len(self._edge_places))}

    @cached_property
    def _length(self) -> int:
        """The longest paths of which all, with the shorter ones, fit into LARGEST_PATHS."""
        computing = sum(name != "none" for name in self.choices)
        count, length = 0, 0
        while length < self.nodes:
            count += len(self.kinds) * self.inputs * computing ** (length + 1)
            if length and count > LARGEST_PATHS:
                break
            length += 1
        return length

    def _next_sources(self, slot: Slot, prefix: Sequence[int]) -> tuple[int, ...]:
        """Return the sources after the last choice that leave enough for the node's other edges."""
        # the prefix ends with the source and the operation of the edge before
        last = prefix[-2] if slot.position else -1
        sources = self.sources(slot.node)
        assert self.edges_per_node is not None  # else no source is decided
        wanted = self.edges_per_node - slot.position - 1
        return tuple(source for source in sources[: len(sources) - wanted] if source > last)

    def _paths(self, cell: Cell) -> set[tuple[int | str, ...]]:
        """Return (input, operation, operation, ...) of every path to the output that is not too long."""
        ending: list[set[tuple[int | str, ...]]] = []
        for edges in cell:
            found: set[tuple[int | str, ...]] = set()
            for operation, source in edges:
                if operation != "none":
                    before = [(source,)] if source < self.inputs else ending[source - self.inputs]
                    found |= {(*path, operation) for path in before if len(path) <= self._length}
            ending.append(found)
        return set().union(*(ending[node] for node in self.concat))
