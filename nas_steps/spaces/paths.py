"""A space as a graph whose paths are its architectures, so that sums over an architecture's parts are sums of arcs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from nas_steps.spaces.protocol import Architecture

#: the node that all paths start from, and the one that they lead to
START, END = "start", "end"


class Arc(NamedTuple):
    """A choice between two nodes.

    `blocks` name what it adds to the costs (`nas_steps.spaces.costs.CostTable`), `terms` what it adds to an additive
    score: a setting of a stage, the operation of a layer or of an edge.
    """

    tail: Hashable
    head: Hashable
    choice: Hashable
    blocks: tuple[str, ...] = ()
    terms: tuple[Hashable, ...] = ()


class Paths:
    """The architectures of a space as the paths from `START` to `END` of a graph without cycles, one for each.

    What a block costs may depend on the choices before it, such as its input channels: the nodes remember them.
    `choices` are those of an architecture's path; `made` makes the architecture of a path's choices.
    """

    def __init__(
        self,
        arcs: Iterable[Arc],
        choices: Callable[[Architecture], Iterable[Hashable]],
        made: Callable[[Sequence[Hashable]], Architecture],
    ) -> None:
        self.arcs = tuple(dict.fromkeys(arcs))
        self._choices, self._made = choices, made
        self._leaving: dict[Hashable, dict[Hashable, int]] = {}
        for number, arc in enumerate(self.arcs):
            self._leaving.setdefault(arc.tail, {})[arc.choice] = number

    @cached_property
    def nodes(self) -> tuple[Hashable, ...]:
        return tuple(dict.fromkeys(node for arc in self.arcs for node in (arc.tail, arc.head)))

    @cached_property
    def terms(self) -> tuple[Hashable, ...]:
        return tuple(dict.fromkeys(term for arc in self.arcs for term in arc.terms))

    def path(self, architecture: Architecture) -> list[int]:
        """Return the numbers of the arcs of an architecture's path."""
        node: Hashable = START
        found = []
        for choice in self._choices(architecture):
            found.append(self._leaving[node][choice])
            node = self.arcs[found[-1]].head
        return found

    def architecture(self, path: Iterable[int]) -> Architecture:
        """Make the architecture of a path; its arcs may come in any order."""
        leaving = {self.arcs[number].tail: self.arcs[number] for number in path}
        node: Hashable = START
        choices = []
        while node != END:
            choices.append(leaving[node].choice)
            node = leaving[node].head
        return self._made(choices)

    def counts(self, architecture: Architecture) -> list[float]:
        """Count how often each of `terms` is in an architecture: the row of an additive model."""
        row = dict.fromkeys(self.terms, 0.0)
        for number in self.path(architecture):
            for term in self.arcs[number].terms:
                row[term] += 1.0
        return list(row.values())

    def every(self) -> Iterator[list[int]]:
        """Yield every path, for small spaces."""
        waiting: list[tuple[Hashable, list[int]]] = [(START, [])]
        while waiting:
            node, path = waiting.pop()
            if node == END:
                yield path
            waiting += [(self.arcs[number].head, [*path, number]) for number in self._leaving.get(node, {}).values()]
