"""The architectures that a step of a supernet's training goes through. Imports no torch.

They depend on the seed and the step's number alone, so an interrupted training goes on with the same.
"""

from __future__ import annotations

from random import Random
from typing import Any, Protocol

from nas_steps.provenance.seeds import derive_seed
from nas_steps.spaces.protocol import Architecture


class Sampling(Protocol):
    def paths(self, step: int) -> list[Architecture]:
        """Return the architectures of step `step` (from 0), whose gradients are summed for one update."""

    @property
    def count(self) -> int:
        """The number of architectures of each step."""


class Uniform:
    """One architecture a step, drawn uniformly (single path one-shot: Guo et al. 2020, section 3.2; random search with
    weight sharing: Li & Talwalkar 2020, section 3.3)."""

    count = 1

    def __init__(self, space: Any, seed: int) -> None:
        self.space, self.seed = space, seed

    def paths(self, step: int) -> list[Architecture]:
        return [self.space.sample(Random(derive_seed(self.seed, step)))]


class Fair:
    """Strict fairness (Chu et al. 2021, section 3.2, algorithm 1): if every layer has m choices, a step goes through
    m architectures in which each choice of each layer appears exactly once.

    Generalised to different numbers of choices: m is the largest of them. The choices of a layer are an endless
    sequence of permutations, of which each step takes the next m. So the counts of a layer's choices differ by at most
    one, and are equal after each step if its number of choices divides m. The depth and the width of a stage count as
    layers; the choice of a layer that a smaller depth omits is taken, but not computed. Raises ValueError for a space
    that has no such layers.
    """

    def __init__(self, space: Any, seed: int) -> None:
        self.sites = space.sites()
        self.seed = seed
        self.count = max(self.sites.counts)

    def paths(self, step: int) -> list[Architecture]:
        chosen = [
            [self._choice(site, step * self.count + place) for site in range(len(self.sites.counts))]
            for place in range(self.count)
        ]
        return [self.sites.made(indices) for indices in chosen]

    def _choice(self, site: int, position: int) -> int:
        """Return the choice at `position` of a layer's endless sequence."""
        choices = self.sites.counts[site]
        if choices == 1:
            return 0
        number, place = divmod(position, choices)
        return Random(derive_seed(self.seed, site, number)).sample(range(choices), choices)[place]


class Sandwich:
    """The sandwich rule (Yu & Huang 2019, section 3.2; Yu et al. 2020, section 3.1): the largest architecture, the
    smallest, and `between` random ones. Raises ValueError for a space without a largest or a smallest."""

    def __init__(self, space: Any, seed: int, between: int) -> None:
        self.space, self.seed, self.between = space, seed, between
        self.largest, self.smallest = space.largest(), space.smallest()
        self.count = 2 + between

    def paths(self, step: int) -> list[Architecture]:
        random = Random(derive_seed(self.seed, step))
        return [self.largest, self.smallest, *(self.space.sample(random) for _ in range(self.between))]


def sampling(name: str, space: Any, *, seed: int, between: int = 2) -> Sampling:
    """Make the sampling `name`: uniform, fair, or sandwich with `between` random architectures. Raises ValueError if
    the space does not allow it."""
    if name == "sandwich":
        return Sandwich(space, seed, between)
    return Uniform(space, seed) if name == "uniform" else Fair(space, seed)
