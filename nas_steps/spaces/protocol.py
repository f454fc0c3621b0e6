"""What a sampling strategy needs to know of a space: an architecture is made by one decision after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, NamedTuple, Protocol, runtime_checkable

#: what a space's architectures are is its own affair; `str` spells one, and equal ones are equal and hash alike
Architecture = Any


class Decision(NamedTuple):
    """One choice among named options.

    Decisions of one `kind` have the same `options`, wherever they stand, so that a controller can share what it learns
    of them. `allowed` are the indices of the options that can be chosen here, after what was decided before.
    """

    kind: str
    options: tuple[str, ...]
    allowed: tuple[int, ...]


class Space(Protocol):
    """A search space, as the sampling strategies see it."""

    @property
    def name(self) -> str: ...

    def size(self) -> int:
        """How many different strings the space has."""

    def sample(self, random: Random) -> Architecture:
        """Draw one architecture uniformly."""

    def mutate(self, architecture: Architecture, random: Random) -> Architecture:
        """Another architecture, one small change away."""

    def identity(self, architecture: Architecture) -> str:
        """Equal for architectures that compute the same network, unequal otherwise."""

    def parse(self, text: str) -> Architecture:
        """Read an architecture of this space. Raises UserError."""

    def decision(self, prefix: Sequence[int]) -> Decision | None:
        """What is to be decided after the choices `prefix`; None where they are complete."""

    def decode(self, choices: Sequence[int]) -> Architecture:
        """The architecture that complete choices make."""

    def decided(self, architecture: Architecture) -> list[int]:
        """The choices that make an architecture: the inverse of `decode`."""

    def encode(self, architecture: Architecture) -> list[float]:
        """An architecture as numbers for a regression: as many for each one of the space."""


@runtime_checkable
class Bounded(Protocol):
    """A space in which some of the architectures may not be evaluated. It draws and mutates to others alone; what is
    decided choice by choice can be any."""

    def admits(self, architecture: Architecture) -> bool: ...


def admitted(space: Space, architecture: Architecture) -> bool:
    """Whether an architecture of the space may be evaluated."""
    return not isinstance(space, Bounded) or space.admits(architecture)


def walk(space: Space, random: Random) -> list[int]:
    """Complete choices, each one drawn uniformly from what is allowed."""
    choices: list[int] = []
    while (decision := space.decision(choices)) is not None:
        choices.append(random.choice(decision.allowed))
    return choices


def members(space: Space) -> Iterator[Architecture]:
    """Every architecture of a space that may be evaluated, in the order of its choices."""
    waiting: list[list[int]] = [[]]
    while waiting:
        choices = waiting.pop()
        decision = space.decision(choices)
        if decision is None:
            if admitted(space, architecture := space.decode(choices)):
                yield architecture
        else:
            waiting += [[*choices, choice] for choice in reversed(decision.allowed)]
