"""Cell spaces: a cell is a small graph whose nodes sum operations on earlier nodes.

A space says which edges a cell can have, what each can be and how many of them a node keeps. Its architectures are
strings (`nas_steps.spaces.cells.architectures`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from random import Random

from nas_steps.spaces.cells import checks, isomorphism
from nas_steps.spaces.cells.architectures import (
    KINDS,
    Cell,
    CellArchitecture,
    Edge,
    Node,
    parse_architecture,
    whole_output,
)
from nas_steps.spaces.cells.encoding import CellCoding
from nas_steps.spaces.cells.presets import DECLARED
from nas_steps.spaces.protocol import Decision

__all__ = ["PRESETS", "Cell", "CellArchitecture", "CellSpace", "Edge", "Node", "parse_architecture"]

#: one edge of an architecture that could be another: (kind, node, position within the node, what it can become)
Site = tuple[str, int, int, list[Edge]]


@dataclass(frozen=True)
class CellSpace:
    """All architectures with these nodes, edges and operations.

    - `operations` is the union over all edges; `edges_per_node` None keeps all edges.
    - `inputs` is 2 (the skeleton of DARTS) or 1 (that of NAS-Bench-201).
    - `reads` names for each node the sources that it can read, ascending: all that come before it, where left out.
    - `by_edge` names by kind the operations of each edge, in the order of `edges()`: all, where left out. `operations`
      may then be empty and is filled.
    - `concat` names the nodes, from 0, that the output concatenates: all, or the last of a one-input cell.
    - `none_is_choice`: whether an architecture may keep an edge as `none`. Where left out, it may if all edges are
      kept, since there is no other way to be without one.

    Raises ValueError when it is declared so that nothing could be searched in it.
    """

    name: str
    operations: tuple[str, ...]
    nodes: int
    edges_per_node: int | None = 2
    inputs: int = 2
    reads: tuple[tuple[int, ...], ...] | None = None
    by_edge: Mapping[str, tuple[tuple[str, ...], ...]] | None = field(default=None, hash=False)
    concat: tuple[int, ...] = None  # type: ignore[assignment]
    none_is_choice: bool = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        # what was left out follows from the rest
        settled: dict[str, object] = {
            "concat": whole_output(self.inputs, self.nodes) if self.concat is None else tuple(sorted(self.concat))
        }
        if self.none_is_choice is None:
            settled["none_is_choice"] = self.edges_per_node is None
        if self.by_edge is not None and not self.operations:
            union = dict.fromkeys(name for rows in self.by_edge.values() for names in rows for name in names)
            # `none` first, as in the spaces that were published
            settled["operations"] = tuple(sorted(union, key=lambda name: name != "none"))
        for name, value in settled.items():
            object.__setattr__(self, name, value)
        checks.check_declaration(self)

    def replace(self, **changes: object) -> CellSpace:
        """The same space with some of its fields changed. What followed from a changed field follows from it anew."""
        if not changes:
            return self
        kept = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        if self.concat == whole_output(self.inputs, self.nodes):
            kept["concat"] = None
        if self.none_is_choice == (self.edges_per_node is None):
            kept["none_is_choice"] = None
        if "operations" in changes:
            kept["by_edge"] = None
        elif "by_edge" in changes:
            kept["operations"] = ()
        return CellSpace(**{**kept, **changes})

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of cells: ("normal", "reduce") with two inputs, ("cell",) with one."""
        return KINDS[self.inputs]

    @property
    def choices(self) -> tuple[str, ...]:
        """The operations that some edge of a discrete architecture can have, in declared order."""
        return tuple(name for name in self.operations if self.none_is_choice or name != "none")

    def sources(self, node: int) -> tuple[int, ...]:
        """What node `node` (counted from 0) can read: cell inputs first, then nodes."""
        return tuple(range(self.inputs + node)) if self.reads is None else self.reads[node]

    def edges(self) -> list[tuple[int, int]]:
        """Every possible edge of a cell as (node, source), node by node."""
        return [(node, source) for node in range(self.nodes) for source in self.sources(node)]

    def kept_sources(self, node: int) -> list[tuple[int, ...]]:
        """Every set of sources that node `node` can keep, each in ascending order."""
        sources = self.sources(node)
        return list(combinations(sources, len(sources) if self.edges_per_node is None else self.edges_per_node))

    def choices_of(self, kind: str, edge_index: int) -> tuple[str, ...]:
        """What edge number `edge_index` of `edges()` can be in a discrete architecture, in declared order."""
        return tuple(
            name
            for name, allowed in zip(self.operations, self.allowed(kind)[edge_index], strict=True)
            if allowed and (self.none_is_choice or name != "none")
        )

    def allowed(self, kind: str) -> list[list[bool]]:
        """(edges, operations): which operations stand on which edge in the relaxation, `none` among them."""
        if self.by_edge is None:
            return [[True] * len(self.operations) for _ in self.edges()]
        return [[name in names for name in self.operations] for names in self.by_edge[kind]]

    def largest_entropy(self) -> float:
        """Mean entropy in nats of the edges' softmax when nothing is decided, over all kinds."""
        rows = [sum(row) for kind in self.kinds for row in self.allowed(kind)]
        return sum(map(math.log, rows)) / len(rows)

    def size(self) -> int:
        """How many different strings the space has."""
        return math.prod(
            sum(self._ways(kind, node, kept) for kept in self.kept_sources(node))
            for kind in self.kinds
            for node in range(self.nodes)
        )

    def sample(self, random: Random) -> CellArchitecture:
        """Draw one architecture uniformly."""
        return self.made({kind: self._sample_cell(kind, random) for kind in self.kinds})

    def mutate(self, architecture: CellArchitecture, random: Random) -> CellArchitecture:
        """Change one edge's source or one edge's operation (Real et al. 2019, section 3.1); never returns the same.

        An edge that moves to a source where its operation is no choice draws one that is.
        """
        kind, node, position, others = random.choice(self._sites(architecture))
        return self._changed(architecture, kind, node, position, random.choice(others))

    def neighbours(self, architecture: CellArchitecture) -> list[CellArchitecture]:
        """All architectures one mutation away, each once."""
        return [
            self._changed(architecture, kind, node, position, other)
            for kind, node, position, others in self._sites(architecture)
            for other in others
        ]

    def identity(self, architecture: CellArchitecture) -> str:
        """Equal for isomorphic architectures, unequal otherwise; see `nas_steps.spaces.cells.isomorphism`."""
        return isomorphism.identity(architecture)

    def parse(self, text: str) -> CellArchitecture:
        """Read an architecture of this space, in any spelling. Raises UserError."""
        return self.check(parse_architecture(text))

    def check(self, architecture: CellArchitecture) -> CellArchitecture:
        """`architecture`, if it belongs to this space; else a UserError that says why it does not."""
        checks.check_architecture(self, architecture)
        return architecture

    def decision(self, prefix: Sequence[int]) -> Decision | None:
        """What is decided after the choices `prefix`, None where all is; see `nas_steps.spaces.cells.encoding`."""
        return self._coding.decision(prefix)

    def decode(self, choices: Sequence[int]) -> CellArchitecture:
        """The architecture that complete choices make."""
        return self._coding.decode(choices)

    def decided(self, architecture: CellArchitecture) -> list[int]:
        """The choices that make an architecture."""
        return self._coding.decided(architecture)

    def encode(self, architecture: CellArchitecture) -> list[float]:
        """An architecture as zeros and ones for a regression: its edges and its paths."""
        return self._coding.encode(architecture)

    def choices_between(self, kind: str, node: int, source: int) -> tuple[str, ...]:
        """What the edge from `source` to `node` can be in a discrete architecture."""
        return self._choices[kind][node, source]

    @cached_property
    def _coding(self) -> CellCoding:
        return CellCoding(self)

    @cached_property
    def _choices(self) -> dict[str, dict[tuple[int, int], tuple[str, ...]]]:
        """By kind and edge, as (node, source)."""
        return {
            kind: {edge: self.choices_of(kind, index) for index, edge in enumerate(self.edges())} for kind in self.kinds
        }

    def made(self, cells: Mapping[str, Cell]) -> CellArchitecture:
        """The architecture of these cells, with the output that the space declares."""
        return CellArchitecture(cells, dict.fromkeys(cells, self.concat))

    def _ways(self, kind: str, node: int, kept: tuple[int, ...]) -> int:
        """In how many ways operations can stand on the edges from `kept` to a node."""
        return math.prod(len(self.choices_between(kind, node, source)) for source in kept)

    def _sample_cell(self, kind: str, random: Random) -> Cell:
        nodes = []
        for node in range(self.nodes):
            sets = self.kept_sources(node)
            # sources whose edges have more choices stand in more architectures
            (kept,) = random.choices(sets, [self._ways(kind, node, one) for one in sets])
            nodes.append(tuple((random.choice(self.choices_between(kind, node, source)), source) for source in kept))
        return tuple(nodes)

    def _sites(self, architecture: CellArchitecture) -> list[Site]:
        """Every edge whose operation, and every edge whose source can be another."""
        found: list[Site] = []
        for kind, cell in architecture.cells.items():
            for node, edges in enumerate(cell):
                taken = {source for _, source in edges}
                for position, (operation, source) in enumerate(edges):
                    others = [(name, source) for name in self.choices_between(kind, node, source) if name != operation]
                    moved = [
                        (name, free)
                        for free in self.sources(node)
                        if free not in taken
                        for name in self._moved(operation, self.choices_between(kind, node, free))
                    ]
                    found += [(kind, node, position, edges) for edges in (others, moved) if edges]
        return found

    @staticmethod
    def _moved(operation: str, choices: tuple[str, ...]) -> tuple[str, ...]:
        return (operation,) if operation in choices else choices

    @staticmethod
    def _changed(architecture: CellArchitecture, kind: str, node: int, position: int, edge: Edge) -> CellArchitecture:
        nodes = [list(edges) for edges in architecture.cells[kind]]
        nodes[node][position] = edge
        return architecture.with_cell(kind, tuple(map(tuple, nodes)))


#: the spaces that have a name
PRESETS: dict[str, CellSpace] = {name: CellSpace(name=name, **declared) for name, declared in DECLARED.items()}
