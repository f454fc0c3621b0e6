"""Search in a benchmark's table."""

from __future__ import annotations

import math

from nas_steps.estimation.table import read_table
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.search.replay import replay
from nas_steps.search.settings import ReplaySettings
from nas_steps.search.tables import gather
from nas_steps.spaces.declare import declared_cells


def main(task: Task) -> None:
    """Write the history and the candidates of one search."""
    settings = task.read_settings(ReplaySettings)
    table = read_table(task.path, settings.table, declared_cells(settings.space))
    task.cost.loaded()
    evaluations = replay(settings, table, seed=derive_seed(settings.seed, "search", task.strategy, task.seed))
    simulated = sum(one.seconds for estimates in evaluations for one in estimates)
    if math.isfinite(simulated):
        task.cost.extra["seconds_in_the_table"] = round(simulated, 3)
    gather(evaluations, task.output("candidates"), task.output("history"), settings.table.search)
