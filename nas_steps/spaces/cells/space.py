"""Spaces of cells: a cell is a small graph whose nodes sum operations on earlier nodes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from nas_steps.spaces.cells import isomorphism
from nas_steps.spaces.cells.architectures import Cell, CellArchitecture, Edge, Node, parse_architecture
from nas_steps.spaces.cells.checks import check_architecture, check_declaration
from nas_steps.spaces.cells.encoding import CellCoding
from nas_steps.spaces.cells.weisfeiler_lehman import label_counts
from nas_steps.spaces.protocol import Sites

__all__ = ["Cell", "CellArchitecture", "CellSpace", "Edge", "Node", "parse_architecture"]

#: one edge of an architecture that can change: (kind, node, position within the node, its mutations)
Site = tuple[str, int, int, list[Edge]]


@dataclass(frozen=True)
class CellSpace(CellCoding):
    """All architectures that a declaration of cells allows. Raises ValueError if there is nothing to search."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_declaration(self)

    def size(self) -> int:
        return math.prod(
            sum(self._ways(kind, node, kept) for kept in self.kept_sources(node))
            for kind in self.kinds
            for node in range(self.nodes)
        )

    def sample(self, random: Random) -> CellArchitecture:
        return self.made({kind: self._sample_cell(kind, random) for kind in self.kinds})

    def mutate(self, architecture: CellArchitecture, random: Random) -> CellArchitecture:
        """Change one edge's source or one edge's operation (Real et al. 2019, section 3.1); never return the same.

        An edge that moves to a source where its operation is no choice draws one that is.
        """
        kind, node, position, others = random.choice(self._sites(architecture))
        return self._changed(architecture, kind, node, position, random.choice(others))

    def neighbours(self, architecture: CellArchitecture) -> list[CellArchitecture]:
        """Return all architectures that one mutation can make, each once."""
        return [
            self._changed(architecture, kind, node, position, edge)
            for kind, node, position, others in self._sites(architecture)
            for edge in others
        ]

    def identity(self, architecture: CellArchitecture) -> str:
        return isomorphism.identity(architecture)

    def describe(self, architecture: CellArchitecture) -> list[Mapping[str, float]]:
        edges = {
            f"{kind} {node} {source} {operation}": 1.0
            for kind, cell in architecture.cells.items()
            for node, edges in enumerate(cell)
            for operation, source in edges
        }
        return [*label_counts(architecture), edges]

    def parse(self, text: str) -> CellArchitecture:
        return self.check(parse_architecture(text))

    def check(self, architecture: CellArchitecture) -> CellArchitecture:
        """Return the architecture. Raises UserError if it is not in this space."""
        check_architecture(self, architecture)
        return architecture

    def sites(self) -> Sites:
        """Return the edges' choices. Raises ValueError if nodes choose their edges, on which the operations depend."""
        if self.edges_per_node is not None:
            raise ValueError(
                f"the nodes of space {self.name} choose which edges they keep, so that no set of architectures has "
                "every operation of every edge once; keep all edges (space.edges_per_node: all)"
            )
        # an edge's choices do not depend on the edges before
        allowed: list[tuple[int, ...]] = []
        while (decision := self.decision([options[0] for options in allowed])) is not None:
            allowed.append(decision.allowed)
        return Sites(
            tuple(map(len, allowed)),
            lambda indices: self.decode([options[index] for options, index in zip(allowed, indices, strict=True)]),
        )

    def smallest(self, **_options: bool) -> CellArchitecture:
        """Raise ValueError: this is defined for mobile spaces only."""
        raise ValueError(f"space {self.name} has cells, of which none is the largest or the smallest")

    largest = smallest

    def _ways(self, kind: str, node: int, kept: tuple[int, ...]) -> int:
        """Count the operations' combinations on the edges from `kept` to a node."""
        return math.prod(len(self.choices_between(kind, node, source)) for source in kept)

    def _sample_cell(self, kind: str, random: Random) -> Cell:
        nodes = []
        for node in range(self.nodes):
            sets = self.kept_sources(node)
            # a set of sources is as likely as its share of the architectures
            (kept,) = random.choices(sets, [self._ways(kind, node, one) for one in sets])
            nodes.append(tuple((random.choice(self.choices_between(kind, node, source)), source) for source in kept))
        return tuple(nodes)

    def _sites(self, architecture: CellArchitecture) -> list[Site]:
        """Return every edge whose operation can change and every edge whose source can change."""
        found: list[Site] = []
        for kind, cell in architecture.cells.items():
            for node, edges in enumerate(cell):
                taken = {source for _, source in edges}
                for position, (operation, source) in enumerate(edges):
                    others = [(name, source) for name in self.choices_between(kind, node, source) if name != operation]
                    moved: list[Edge] = []
                    for free in (one for one in self.sources(node) if one not in taken):
                        choices = self.choices_between(kind, node, free)
                        moved += [(name, free) for name in ((operation,) if operation in choices else choices)]
                    found += [(kind, node, position, edges) for edges in (others, moved) if edges]
        return found

    @staticmethod
    def _changed(architecture: CellArchitecture, kind: str, node: int, position: int, edge: Edge) -> CellArchitecture:
        nodes = [list(edges) for edges in architecture.cells[kind]]
        nodes[node][position] = edge
        return architecture.with_cell(kind, tuple(map(tuple, nodes)))
