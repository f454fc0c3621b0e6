"""A search whose evaluations are looked up: the very strategies of the workflow, in one process."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from nas_steps.config.strategies import SamplingStrategy
from nas_steps.estimation.estimates import Estimate
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.sampling import round_size, rounds, sampler
from nas_steps.spaces.protocol import Architecture, Space


def search(
    settings: SamplingStrategy, space: Space, score: Callable[[Architecture], float], *, seed: int
) -> list[Estimate]:
    """All estimates of a search, in the order of asking, as the workflow would make them with the same seed."""
    strategy = sampler(settings, space)
    evaluations = settings.evaluations
    assert isinstance(evaluations, int), "a search that is matched to no other needs a number of evaluations"
    found: list[Estimate] = []
    for number in range(rounds(settings)):
        asked = strategy.ask(round_size(settings, number, evaluations), Random(derive_seed(seed, number)))
        told = [Estimate(index, str(one), score(one)) for index, one in enumerate(asked)]
        strategy.tell(told)
        found += told
    return found
