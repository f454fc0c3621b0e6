"""A space that computes nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TypeVar

from nas_steps.spaces.protocol import Architecture, Decision, Space

Value = TypeVar("Value")


class CachedSpace:
    """`space` with a memory of what each architecture is called, compared by and encoded as.

    For searches that are repeated many times, where evaluating costs nothing. What is remembered is never dropped.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self._parsed: dict[str, Architecture] = {}
        self._identities: dict[str, str] = {}
        self._neighbours: dict[str, list[Architecture]] = {}
        self._decided: dict[str, list[int]] = {}
        self._encoded: dict[str, list[float]] = {}
        self._described: dict[str, Sequence[Mapping[str, float]]] = {}
        self._decisions: dict[tuple[int, ...], Decision | None] = {}
        self._decoded: dict[tuple[int, ...], Architecture] = {}

    @property
    def name(self) -> str:
        return self.space.name

    def size(self) -> int:
        return self.space.size()

    def sample(self, random: Random) -> Architecture:
        return self._one(self.space.sample(random))

    def mutate(self, architecture: Architecture, random: Random) -> Architecture:
        return self._one(self.space.mutate(architecture, random))

    def neighbours(self, architecture: Architecture) -> list[Architecture]:
        text = str(architecture)
        if text not in self._neighbours:
            self._neighbours[text] = list(map(self._one, self.space.neighbours(architecture)))
        return self._neighbours[text]

    def identity(self, architecture: Architecture) -> str:
        return self._of(self._identities, architecture, self.space.identity)

    def parse(self, text: str) -> Architecture:
        found = self._parsed.get(text)
        return self._parsed.setdefault(text, self.space.parse(text)) if found is None else found

    def decision(self, prefix: Sequence[int]) -> Decision | None:
        key = tuple(prefix)
        if key not in self._decisions:
            self._decisions[key] = self.space.decision(prefix)
        return self._decisions[key]

    def decode(self, choices: Sequence[int]) -> Architecture:
        key = tuple(choices)
        if key not in self._decoded:
            self._decoded[key] = self._one(self.space.decode(choices))
        return self._decoded[key]

    def decided(self, architecture: Architecture) -> list[int]:
        return self._of(self._decided, architecture, self.space.decided)

    def encode(self, architecture: Architecture) -> list[float]:
        return self._of(self._encoded, architecture, self.space.encode)

    def describe(self, architecture: Architecture) -> Sequence[Mapping[str, float]]:
        return self._of(self._described, architecture, self.space.describe)

    def _one(self, architecture: Architecture) -> Architecture:
        """Of equal architectures the first that was met."""
        return self._parsed.setdefault(str(architecture), architecture)

    @staticmethod
    def _of(known: dict[str, Value], architecture: Architecture, compute: Callable[[Architecture], Value]) -> Value:
        text = str(architecture)
        if text not in known:
            known[text] = compute(architecture)
        return known[text]
