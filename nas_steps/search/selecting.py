"""How much work a perturbation-based selection is (Wang et al. 2021, algorithm 1). Imports no torch.

A round decides one edge of each kind of cell, the last rounds one node of each; the supernet learns between rounds."""

from collections.abc import Iterator
from typing import NamedTuple

from nas_steps.spaces.cells.space import CellSpace


class Stage(NamedTuple):
    """A supernet after some decisions: the shares of its edges that are open, or decided; the others are removed."""

    open: float
    decided: float

    def macs(self, whole: float, single: float, rest: float) -> float:
        """Return the size between those of all operations, of a single one on each edge, and of no edge."""
        return self.open * whole + self.decided * single + (1 - self.open - self.decided) * rest


def choosing_nodes(space: CellSpace) -> list[int]:
    """Return the nodes that keep only some of their edges."""
    return [node for node in range(space.nodes) if len(space.kept_sources(node)) > 1]


def rounds_of(space: CellSpace) -> int:
    """Return the rounds of decisions."""
    return len(space.edges()) + len(choosing_nodes(space))


def tuned(space: CellSpace) -> Iterator[Stage]:
    """Yield the supernets that learn, between two rounds each, as means over the orders of deciding."""
    edges, nodes = len(space.edges()), choosing_nodes(space)
    for number in range(1, edges + 1):
        if number < edges or nodes:
            yield Stage(1 - number / edges, number / edges)
    for number in range(1, len(nodes)):
        yield Stage(0.0, 1 - number * _removed(space) / edges)


def compared(space: CellSpace) -> Iterator[tuple[float, Stage]]:
    """Yield how many mixes are compared and their supernet, decision by decision, as means over the orders.

    Each of the mixes lacks an operation, or an edge; an edge with one choice is not compared."""
    kinds, every = len(space.kinds), len(space.kinds) * len(space.edges())
    for decision in range(every):
        kind = space.kinds[decision % kinds]
        counts = [len(space.choices_of(kind, edge)) for edge in range(len(space.edges()))]
        several = [count for count in counts if count > 1]
        if several:
            asked, share = sum(several) / len(counts), len(several) / len(counts)
            yield asked, Stage(1 - (decision + share / asked) / every, decision / every)
    nodes = choosing_nodes(space)
    for decision in range(kinds * len(nodes)):
        for node in nodes:
            sources = len(space.sources(node))
            for left in range(sources, len(space.kept_sources(node)[0]), -1):
                missing = decision * _removed(space) + sources - left + 1
                yield left / len(nodes), Stage(0.0, 1 - missing / every)


def _removed(space: CellSpace) -> float:
    """Return the mean number of edges that a choosing node removes."""
    nodes = choosing_nodes(space)
    return sum(len(space.sources(node)) - len(space.kept_sources(node)[0]) for node in nodes) / len(nodes)
