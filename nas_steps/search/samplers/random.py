"""Random search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.protocol import Seen, State
from nas_steps.spaces.protocol import Architecture, Space


class RandomSearch:
    """Uniform sampling without repeats (Li & Talwalkar 2020)."""

    def __init__(self, space: Space) -> None:
        self.seen = Seen(space)

    def ask(self, count: int, random: Random) -> list[Architecture]:
        return self.seen.fill(count, random)

    def tell(self, estimates: Sequence[Estimate]) -> None:
        self.seen.tell(estimates)

    def state(self) -> State:
        return {"seen": self.seen.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.seen.restore(state["seen"])


def sampler(space: Space, _settings: strategies.Random) -> RandomSearch:
    return RandomSearch(space)


def round_size(settings: strategies.Random, number: int, evaluations: int) -> int:
    """Spread the evaluations evenly over the rounds."""
    whole, rest = divmod(evaluations, settings.rounds)
    return whole + (number < rest)
