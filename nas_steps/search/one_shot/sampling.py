"""The architectures of each step of a supernet's training, by seed and number of the step alone. Imports no torch."""

from random import Random
from typing import Any, Protocol

from nas_steps.provenance.seeds import derive_seed
from nas_steps.spaces.protocol import Architecture


class Sampling(Protocol):
    @property
    def count(self) -> int:
        """The number of architectures of each step."""

    def paths(self, step: int) -> list[Architecture]:
        """Return the architectures of step `step` (from 0), whose gradients are summed for one update."""


class Uniform:
    """One architecture a step, drawn uniformly (single path one-shot: Guo et al. 2020, section 3.2; random search with
    weight sharing: Li & Talwalkar 2020, section 3.3)."""

    count = 1

    def __init__(self, space: Any, seed: int) -> None:
        self.space, self.seed = space, seed

    def paths(self, step: int) -> list[Architecture]:
        return [self.space.sample(Random(derive_seed(self.seed, step)))]


class Fair:
    """Strict fairness (Chu et al. 2021, section 3.2, algorithm 1): a step's m architectures have each choice once.

    If layers differ in their number of choices, m is the largest, and each step takes the next m of a layer's endless
    sequence of permutations. Depth and width of a stage are layers, too. Raises ValueError for a space without layers.
    """

    def __init__(self, space: Any, seed: int) -> None:
        self.sites = space.sites()
        self.seed = seed
        self.count = max(self.sites.counts)

    def paths(self, step: int) -> list[Architecture]:
        places = range(step * self.count, (step + 1) * self.count)
        sites = range(len(self.sites.counts))
        return [self.sites.made([self._choice(site, place) for site in sites]) for place in places]

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
    """Make the sampling uniform, fair or sandwich. Raises ValueError if the space does not allow it."""
    if name == "sandwich":
        return Sandwich(space, seed, between)
    return Uniform(space, seed) if name == "uniform" else Fair(space, seed)
