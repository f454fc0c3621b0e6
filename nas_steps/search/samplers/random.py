"""Random search."""

from random import Random

from nas_steps.config import strategies
from nas_steps.search.protocol import Sampler, share
from nas_steps.spaces.protocol import Architecture


class RandomSearch(Sampler):
    """Uniform sampling without repeats (Li & Talwalkar 2020)."""

    def ask(self, count: int, random: Random) -> list[Architecture]:
        return self.seen.fill(count, random)


sampler = RandomSearch


def round_size(settings: strategies.Random, number: int, evaluations: int) -> int:
    """Spread the evaluations evenly over the rounds."""
    return share(evaluations, settings.rounds, number)
