"""Cell spaces: a cell is a small graph whose nodes sum operations on earlier nodes.

A space says which edges a cell can have, what each can be and how many of them a node keeps. Its architectures are
strings (`nas_steps.spaces.cells.architectures`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from nas_steps.spaces.cells import isomorphism
from nas_steps.spaces.cells.architectures import Cell, CellArchitecture, Edge, Node, parse_architecture
from nas_steps.spaces.cells.checks import check_architecture, check_declaration
from nas_steps.spaces.cells.declaration import CellDeclaration
from nas_steps.spaces.cells.encoding import CellCoding
from nas_steps.spaces.protocol import Decision

__all__ = ["Cell", "CellArchitecture", "CellSpace", "Edge", "Node", "parse_architecture"]

#: one edge of an architecture that could be another: (kind, node, position within the node, what it can become)
Site = tuple[str, int, int, list[Edge]]


@dataclass(frozen=True)
class CellSpace(CellDeclaration):
    """All architectures that a declaration of cells allows.

    Raises ValueError if nothing could be searched in it.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        check_declaration(self)

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

    def identity(self, architecture: CellArchitecture) -> str:
        """Equal for isomorphic architectures, unequal otherwise; see `nas_steps.spaces.cells.isomorphism`."""
        return isomorphism.identity(architecture)

    def parse(self, text: str) -> CellArchitecture:
        """Read an architecture of this space, in any spelling. Raises UserError."""
        return self.check(parse_architecture(text))

    def check(self, architecture: CellArchitecture) -> CellArchitecture:
        """`architecture`, if it belongs to this space; else a UserError that says why it does not."""
        check_architecture(self, architecture)
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

    @cached_property
    def _coding(self) -> CellCoding:
        return CellCoding(self)

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
