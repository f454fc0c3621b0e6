"""A whole search in one process, whose evaluations are looked up in a table. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.table import Benchmark
from nas_steps.search.sampling import run
from nas_steps.search.settings import ReplaySettings
from nas_steps.spaces.declare import declared
from nas_steps.spaces.protocol import Architecture


def replay(settings: ReplaySettings, table: Benchmark, *, seed: int) -> list[list[Estimate]]:
    """Return the estimates of each round, as a workflow with one job per evaluation would have them."""

    def look_up(asked: Sequence[Architecture]) -> list[Estimate]:
        return [
            Estimate(index, text, table.search(text), seconds=table.seconds(text))
            for index, text in enumerate(map(str, asked))
        ]

    return run(settings.strategy, declared(settings.space), settings.evaluations, seed, look_up)
