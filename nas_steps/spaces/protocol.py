"""What strategies need of a space: an architecture is made by one decision after the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple, Protocol, runtime_checkable

#: any hashable object that `str` spells
Architecture = Any


class Decision(NamedTuple):
    """One choice among `options`, the same for all of a `kind`; `allowed` are the indices that are left here."""

    kind: str
    options: tuple[str, ...]
    allowed: tuple[int, ...]


@dataclass(frozen=True)
class Sites:
    """The independent choices of an architecture; the choice of a layer beyond the stage's depth has no effect.

    `counts` are the numbers of choices; `made` makes the architecture of one index for each.
    """

    counts: tuple[int, ...]
    made: Callable[[Sequence[int]], Architecture]


class Space(Protocol):
    """A search space, as the sampling strategies see it."""

    @property
    def name(self) -> str: ...

    def size(self) -> int:
        """Count the different strings of the space."""

    def sample(self, random: Random) -> Architecture:
        """Draw one architecture uniformly."""

    def mutate(self, architecture: Architecture, random: Random) -> Architecture:
        """Draw another architecture, one small change away."""

    def neighbours(self, architecture: Architecture) -> list[Architecture]:
        """Return all architectures that one mutation can make, each once, in a fixed order."""

    def identity(self, architecture: Architecture) -> str:
        """Return a string that architectures share exactly if they compute the same network."""

    def parse(self, text: str) -> Architecture:
        """Read an architecture of this space. Raises UserError."""

    def decision(self, prefix: Sequence[int]) -> Decision | None:
        """Return the decision after the choices `prefix`, None if they are complete. Raises ValueError."""

    def decode(self, choices: Sequence[int]) -> Architecture:
        """Make the architecture of complete choices. Raises ValueError."""

    def decided(self, architecture: Architecture) -> list[int]:
        """Return the choices that make an architecture: the inverse of `decode`. Raises UserError."""

    def encode(self, architecture: Architecture) -> list[float]:
        """Encode an architecture for a regression, in equally many numbers for the whole space."""

    def describe(self, architecture: Architecture) -> Sequence[Mapping[str, float]]:
        """Describe an architecture for a kernel: groups of named numbers, equally many groups for the whole space.

        The last group has the choices themselves, 1 for each that is taken: it tells all architectures apart. The
        groups before have what makes architectures alike whatever its place. Numbers that are 0 may be left out.
        """


@runtime_checkable
class Bounded(Protocol):
    """A space that samples and mutates only to architectures that may be evaluated; decisions can lead to others."""

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""

    def admits(self, architecture: Architecture) -> bool: ...


def admitted(space: Space, architecture: Architecture) -> bool:
    """Return whether an architecture of the space may be evaluated."""
    return not isinstance(space, Bounded) or space.admits(architecture)


def walk(space: Space, random: Random) -> list[int]:
    """Draw complete choices, each one uniformly from what is allowed."""
    choices: list[int] = []
    while (decision := space.decision(choices)) is not None:
        choices.append(random.choice(decision.allowed))
    return choices


def members(space: Space) -> Iterator[Architecture]:
    """Yield every architecture of a space that may be evaluated, in the order of its choices."""
    waiting: list[list[int]] = [[]]
    while waiting:
        choices = waiting.pop()
        decision = space.decision(choices)
        if decision is None:
            if admitted(space, architecture := space.decode(choices)):
                yield architecture
        else:
            waiting += [[*choices, choice] for choice in reversed(decision.allowed)]
