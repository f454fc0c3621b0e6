"""The declaration of a space of cells: its nodes, the edges between them and the operations on each edge."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any, Self

from nas_steps.spaces.cells.architectures import KINDS, Cell, CellArchitecture, whole_output


@dataclass(frozen=True)
class CellDeclaration:
    """The cells with these nodes, edges and operations.

    - `operations` is the union over all edges; `edges_per_node` None keeps all edges.
    - `inputs` is 2 (the skeleton of DARTS) or 1 (that of NAS-Bench-201).
    - `reads` lists each node's possible sources, ascending (default: all before it).
    - `by_edge` lists by kind each edge's operations in the order of `edges()` (default: all); it fills `operations`.
    - `concat` lists the nodes, from 0, of the output (default: all, or the last of a one-input cell).
    - `none_is_choice`: an architecture may keep an edge as `none` (default: if all edges are kept).
    """

    name: str
    operations: tuple[str, ...]
    nodes: int
    edges_per_node: int | None = 2
    inputs: int = 2
    reads: tuple[tuple[int, ...], ...] = None  # type: ignore[assignment]
    by_edge: Mapping[str, tuple[tuple[str, ...], ...]] | None = field(default=None, hash=False)
    concat: tuple[int, ...] = None  # type: ignore[assignment]
    none_is_choice: bool = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        settled = {key: value for key, value in self.defaults().items() if getattr(self, key) is None}
        if self.concat is not None:
            settled["concat"] = tuple(sorted(self.concat))
        if self.by_edge is not None and not self.operations:
            union = dict.fromkeys(name for rows in self.by_edge.values() for names in rows for name in names)
            # `none` first, as in the published spaces
            settled["operations"] = tuple(sorted(union, key=lambda name: name != "none"))
        for name, value in settled.items():
            object.__setattr__(self, name, value)

    def defaults(self) -> dict[str, Any]:
        """Return the defaults that follow from the other fields."""
        return {
            "reads": tuple(tuple(range(self.inputs + node)) for node in range(self.nodes)),
            "concat": whole_output(self.inputs, self.nodes),
            "none_is_choice": self.edges_per_node is None,
        }

    def replace(self, **changes: object) -> Self:
        """Change some fields, and the defaults that follow from them."""
        kept = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        kept |= {key: None for key, value in self.defaults().items() if kept[key] == value}
        if "operations" in changes:
            kept["by_edge"] = None
        elif "by_edge" in changes:
            kept["operations"] = ()
        return type(self)(**{**kept, **changes})

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of cells: ("normal", "reduce") with two inputs, ("cell",) with one."""
        return KINDS[self.inputs]

    @property
    def choices(self) -> tuple[str, ...]:
        """The operations of discrete architectures, in declared order."""
        return tuple(name for name in self.operations if self.none_is_choice or name != "none")

    def sources(self, node: int) -> tuple[int, ...]:
        """Return the possible sources of a node (from 0): cell inputs first, then nodes."""
        return self.reads[node]

    def edges(self) -> list[tuple[int, int]]:
        """Return every possible edge of a cell as (node, source), node by node."""
        return [(node, source) for node in range(self.nodes) for source in self.sources(node)]

    def kept_sources(self, node: int) -> list[tuple[int, ...]]:
        """Return every set of sources that a node can keep, each in ascending order."""
        sources = self.sources(node)
        return list(combinations(sources, len(sources) if self.edges_per_node is None else self.edges_per_node))

    def choices_of(self, kind: str, edge_index: int) -> tuple[str, ...]:
        """Return the discrete choices of edge number `edge_index` of `edges()`, in declared order."""
        names = self.operations if self.by_edge is None else self.by_edge[kind][edge_index]
        return tuple(name for name in self.choices if name in names)

    def allowed(self, kind: str) -> list[list[bool]]:
        """Return (edges, operations): whether the relaxation has an operation, `none` included, on an edge."""
        if self.by_edge is None:
            return [[True] * len(self.operations) for _ in self.edges()]
        return [[name in names for name in self.operations] for names in self.by_edge[kind]]

    def largest_entropy(self) -> float:
        """Return the mean entropy in nats of undecided edges' softmax, over all kinds."""
        rows = [sum(row) for kind in self.kinds for row in self.allowed(kind)]
        return sum(map(math.log, rows)) / len(rows)

    def choices_between(self, kind: str, node: int, source: int) -> tuple[str, ...]:
        """Return the discrete choices of the edge from `source` to `node`."""
        return self._choices[kind][node, source]

    @cached_property
    def _choices(self) -> dict[str, dict[tuple[int, int], tuple[str, ...]]]:
        return {
            kind: {edge: self.choices_of(kind, index) for index, edge in enumerate(self.edges())} for kind in self.kinds
        }

    def made(self, cells: Mapping[str, Cell]) -> CellArchitecture:
        """Make the architecture of these cells with the declared output."""
        return CellArchitecture(cells, dict.fromkeys(cells, self.concat))
