"""A whole search in one process, where an evaluation is a look into a table. Imports no torch."""

from __future__ import annotations

from random import Random

from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.table import Benchmark
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.sampling import round_size, rounds, sampler
from nas_steps.search.settings import ReplaySettings
from nas_steps.spaces.declare import declared


def replay(step: ReplaySettings, table: Benchmark, *, seed: int) -> list[list[Estimate]]:
    """The estimates of each round, as the strategy would have had them from jobs."""
    strategy = sampler(step.strategy, declared(step.space))
    told: list[list[Estimate]] = []
    for number in range(rounds(step.strategy)):
        count = round_size(step.strategy, number, step.evaluations)
        asked = strategy.ask(count, Random(derive_seed(seed, number)))
        estimates = [
            Estimate(
                index, str(architecture), table.search(str(architecture)), seconds=table.seconds(str(architecture))
            )
            for index, architecture in enumerate(asked)
        ]
        strategy.tell(estimates)
        told.append(estimates)
    return told
