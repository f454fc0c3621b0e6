"""A search whose evaluations are looked up: the strategies of the workflow, in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nas_steps.config.strategies import SamplingStrategy
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.sampling import evaluations, run
from nas_steps.spaces.protocol import Architecture, Space


def search(
    settings: SamplingStrategy, space: Space, score: Callable[[Architecture], float], *, seed: int
) -> list[Estimate]:
    """All estimates of a search, in the order of asking, as the workflow would make them with the same seed."""

    def evaluate(asked: Sequence[Architecture]) -> list[Estimate]:
        return [Estimate(index, str(one), score(one)) for index, one in enumerate(asked)]

    count = evaluations(settings)
    assert isinstance(count, int), "a search that is matched to no other needs a number of evaluations"
    return [one for estimates in run(settings, space, count, seed, evaluate) for one in estimates]
