"""Cell spaces: a cell is a small graph whose nodes sum operations on earlier nodes.

A space says which edges a cell can have, what each can be and how many of them a node keeps. Its architectures are
strings (`nas_steps.spaces.architectures`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from random import Random

from nas_steps.errors import UserError, known
from nas_steps.spaces import isomorphism
from nas_steps.spaces.architectures import (
    KINDS,
    Cell,
    CellArchitecture,
    Edge,
    Node,
    parse_architecture,
    whole_output,
)
from nas_steps.spaces.operations import OPERATIONS
from nas_steps.spaces.presets import DECLARED

__all__ = ["PRESETS", "Cell", "CellArchitecture", "CellSpace", "Edge", "Node", "parse_architecture"]

#: one edge of an architecture that could be another: (kind, node, position within the node, what it can become)
Site = tuple[str, int, int, list[Edge]]


@dataclass(frozen=True)
class CellSpace:
    """All architectures with these nodes, edges and operations.

    - `operations` is the union over all edges; `edges_per_node` None keeps all edges.
    - `inputs` is 2 (the skeleton of DARTS) or 1 (that of NAS-Bench-201).
    - `reads` names for each node the sources that it can read: all that come before it, where left out.
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
        if self.inputs not in KINDS:
            raise ValueError(f"inputs is {self.inputs}; a cell has 2 inputs (as in DARTS) or 1 (as in NAS-Bench-201)")
        if self.nodes < 1:
            raise ValueError(f"nodes is {self.nodes}; a cell has at least 1 node")
        if self.none_is_choice is None:
            object.__setattr__(self, "none_is_choice", self.edges_per_node is None)
        self._check_reads()
        self._check_edges_per_node()
        self._check_concat()
        self._check_operations()

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
        return self._made({kind: self._sample_cell(kind, random) for kind in self.kinds})

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
        """Equal for isomorphic architectures, unequal otherwise; see `nas_steps.spaces.isomorphism`."""
        return isomorphism.identity(architecture)

    def parse(self, text: str) -> CellArchitecture:
        """Read an architecture of this space, in any spelling. Raises UserError."""
        return self.check(parse_architecture(text))

    def check(self, architecture: CellArchitecture) -> CellArchitecture:
        """`architecture`, if it belongs to this space; else a UserError that says why it does not."""
        if architecture.inputs != self.inputs:
            raise UserError(
                f"{architecture}: its cells have {_inputs(architecture.inputs)}, those of space {self.name} have "
                f"{_inputs(self.inputs)}"
            )
        for kind, cell in architecture.cells.items():
            if len(cell) != self.nodes:
                raise UserError(f"{architecture}: {kind} has {len(cell)} nodes, space {self.name} has {self.nodes}")
            for position, node in enumerate(cell):
                self._check_node(architecture, kind, position, node)
            if architecture.concat[kind] != self.concat:
                raise UserError(
                    f"{architecture}: the output of {kind} concatenates nodes {list(architecture.concat[kind])}, that "
                    f"of space {self.name} nodes {list(self.concat)}"
                )
        return architecture

    def _check_node(self, architecture: CellArchitecture, kind: str, position: int, node: Node) -> None:
        sources = self.sources(position)
        wanted = len(sources) if self.edges_per_node is None else self.edges_per_node
        if len(node) != wanted or len({source for _, source in node}) < len(node):
            raise UserError(f"{architecture}: node {position} of {kind} must read {wanted} different sources")
        for operation, source in node:
            if source not in sources:
                raise UserError(
                    f"{architecture}: node {position} of {kind} cannot read {source} in space {self.name}; it can read "
                    + ", ".join(map(str, sources))
                )
            choices = self._choices[kind][position, source]
            if operation not in choices:
                where = "" if self.by_edge is None else f" on the edge from {source} to node {position} of {kind}"
                raise UserError(
                    f"{architecture}: {operation} is no choice of space {self.name}{where}; it has {', '.join(choices)}"
                )

    @cached_property
    def _choices(self) -> dict[str, dict[tuple[int, int], tuple[str, ...]]]:
        """By kind and edge, as (node, source)."""
        return {
            kind: {edge: self.choices_of(kind, index) for index, edge in enumerate(self.edges())} for kind in self.kinds
        }

    def _made(self, cells: Mapping[str, Cell]) -> CellArchitecture:
        return CellArchitecture(cells, dict.fromkeys(cells, self.concat))

    def _ways(self, kind: str, node: int, kept: tuple[int, ...]) -> int:
        """In how many ways operations can stand on the edges from `kept` to a node."""
        return math.prod(len(self._choices[kind][node, source]) for source in kept)

    def _sample_cell(self, kind: str, random: Random) -> Cell:
        nodes = []
        for node in range(self.nodes):
            sets = self.kept_sources(node)
            # sources whose edges have more choices stand in more architectures
            (kept,) = random.choices(sets, [self._ways(kind, node, one) for one in sets])
            nodes.append(tuple((random.choice(self._choices[kind][node, source]), source) for source in kept))
        return tuple(nodes)

    def _sites(self, architecture: CellArchitecture) -> list[Site]:
        """Every edge whose operation, and every edge whose source can be another."""
        found: list[Site] = []
        for kind, cell in architecture.cells.items():
            for node, edges in enumerate(cell):
                taken = {source for _, source in edges}
                for position, (operation, source) in enumerate(edges):
                    others = [(name, source) for name in self._choices[kind][node, source] if name != operation]
                    moved = [
                        (name, free)
                        for free in self.sources(node)
                        if free not in taken
                        for name in self._moved(operation, self._choices[kind][node, free])
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

    def _check_reads(self) -> None:
        if self.reads is None:
            return
        if len(self.reads) != self.nodes:
            raise ValueError(
                f"edges has {len(self.reads)} lists of sources, but there are {self.nodes} nodes; give a list for each"
            )
        for node, sources in enumerate(self.reads):
            last = self.inputs + node - 1
            for source in sources:
                if not 0 <= source <= last:
                    raise ValueError(f"edges: node {node} cannot read {source}, only 0 to {last} come before it")
            if not sources or len(set(sources)) < len(sources):
                raise ValueError(f"edges: node {node} reads {list(sources)}; name each source once, of 0 to {last}")
        object.__setattr__(self, "reads", tuple(tuple(sorted(sources)) for sources in self.reads))

    def _check_edges_per_node(self) -> None:
        if self.edges_per_node is None:
            return
        if self.edges_per_node < 1:
            raise ValueError(f"edges_per_node is {self.edges_per_node}; a node keeps at least 1 edge")
        for node in range(self.nodes):
            if self.edges_per_node > len(self.sources(node)):
                raise ValueError(
                    f"edges_per_node is {self.edges_per_node}, but node {node} can read no more than "
                    f"{len(self.sources(node))} of the inputs and nodes before it; lower it, or say all"
                )

    def _check_concat(self) -> None:
        whole = whole_output(self.inputs, self.nodes)
        concat = whole if self.concat is None else tuple(sorted(self.concat))
        if self.inputs == 1 and concat != whole:
            raise ValueError(
                f"concat is {list(concat)}, but the output of a one-input cell is its last node; leave concat out"
            )
        if not concat or len(set(concat)) < len(concat) or not set(concat) <= set(range(self.nodes)):
            raise ValueError(
                f"concat is {list(concat)}; it must name one or more of the nodes 0 to {self.nodes - 1}, each once"
            )
        object.__setattr__(self, "concat", concat)

    def _check_operations(self) -> None:
        if self.by_edge is not None:
            self._check_by_edge(self.by_edge)
        for operation in self.operations:
            known("operation", operation, OPERATIONS)
        if len(set(self.operations)) < len(self.operations):
            raise ValueError(f"an operation stands twice in {list(self.operations)}")
        choices = [(kind, edge, found) for kind in self.kinds for edge, found in self._choices[kind].items()]
        if all(len(found) < 2 for _, _, found in choices):
            raise ValueError(
                f"operations {list(self.operations)} leave nothing to choose; name at least two"
                + ("" if self.none_is_choice else " beside `none`")
            )
        for kind, (node, source), found in choices:
            if not found:
                raise ValueError(
                    f"operations: the edge from {source} to node {node} of {kind} has no choice; name an operation"
                    + ("" if self.none_is_choice else " beside `none`")
                )
        if not any(OPERATIONS[name] for _, _, found in choices for name in found):
            raise ValueError(
                f"none of {list(self.operations)} has weights to learn; add a convolution, say sep_conv_3x3"
            )

    def _check_by_edge(self, by_edge: Mapping[str, tuple[tuple[str, ...], ...]]) -> None:
        if set(by_edge) != set(self.kinds):
            raise ValueError(
                f"operations are given for the kinds {sorted(by_edge)}; cells with {_inputs(self.inputs)} have "
                + " and ".join(self.kinds)
            )
        edges = self.edges()
        for kind, rows in by_edge.items():
            if len(rows) != len(edges):
                raise ValueError(
                    f"operations of {kind} has {len(rows)} lists, but a cell has {len(edges)} edges, node by node; "
                    "give a list for each"
                )
            for (node, source), names in zip(edges, rows, strict=True):
                if len(set(names)) < len(names):
                    where = f"the edge from {source} to node {node} of {kind}"
                    raise ValueError(f"operations: an operation stands twice on {where}: {list(names)}")
        union = dict.fromkeys(name for kind in self.kinds for names in by_edge[kind] for name in names)
        # `none` first, as in the spaces that were published
        operations = tuple(sorted(union, key=lambda name: name != "none"))
        if self.operations and set(self.operations) != set(operations):
            raise ValueError(f"operations {list(self.operations)} are not those of the edges: {list(operations)}")
        object.__setattr__(self, "operations", self.operations or operations)


def _inputs(count: int) -> str:
    return "one input (a cell)" if count == 1 else "two inputs (normal and reduce)"


#: the spaces that have a name
PRESETS: dict[str, CellSpace] = {name: CellSpace(name=name, **declared) for name, declared in DECLARED.items()}
