"""A whole search by shared weights in one process: ask, score, tell, round after round."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from random import Random

from nas_steps.config.strategies import SamplingStrategy
from nas_steps.estimation.estimates import Estimate
from nas_steps.models.count import Size
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.sampling import round_size, rounds, sampler
from nas_steps.spaces.protocol import Architecture, Space


def search(
    settings: SamplingStrategy,
    space: Space,
    *,
    evaluations: int,
    seed: int,
    score: Callable[[Sequence[Architecture]], list[float]],
    measure: Callable[[Architecture], Size],
    after_round: Callable[[int], None] = lambda _: None,
) -> list[list[Estimate]]:
    """The estimates of each round: `score` gives those of one round together, `measure` what an architecture costs as a
    network of its own. `after_round` is told how many rounds are done. Deterministic in `seed`, seconds aside."""
    strategy = sampler(settings, space)
    told: list[list[Estimate]] = []
    for number in range(rounds(settings)):
        asked = strategy.ask(round_size(settings, number, evaluations), Random(derive_seed(seed, number)))
        started = time.perf_counter()
        scores = score(asked)
        seconds = (time.perf_counter() - started) / max(len(asked), 1)
        estimates = []
        for index, (architecture, accuracy) in enumerate(zip(asked, scores, strict=True)):
            measured = measure(architecture)
            estimates.append(
                Estimate(
                    index,
                    str(architecture),
                    accuracy,
                    parameters=measured.parameters,
                    macs=measured.macs,
                    seconds=seconds,
                )
            )
        strategy.tell(estimates)
        told.append(estimates)
        after_round(number + 1)
    return told
