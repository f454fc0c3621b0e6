"""Search in a benchmark's table, in one process."""

import math
from collections.abc import Sequence

from nas_steps.estimation.completed import open_table
from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.table_space import TableSpace
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.search.protocol import Prediction
from nas_steps.search.sampling import run
from nas_steps.search.settings import ReplaySettings
from nas_steps.search.tables import gather
from nas_steps.spaces.constraints import given
from nas_steps.spaces.protocol import Architecture, Space


def main(task: Task) -> None:
    settings = task.read_settings(ReplaySettings)
    table = open_table(task.path, settings, task.surrogate)
    limits = given(settings.constraints)
    bounded = bool(limits or settings.table.columns or getattr(settings.strategy, "objectives", False))
    space: Space = TableSpace(table, settings.table, limits) if bounded else table.space
    task.cost.loaded()

    def look_up(asked: Sequence[Architecture]) -> list[Estimate]:
        found = []
        for index, architecture in enumerate(asked):
            text, costs = str(architecture), table.count(architecture)
            found.append(
                Estimate(
                    index,
                    text,
                    table.search(text),
                    parameters=costs.parameters,
                    macs=costs.macs,
                    seconds=table.seconds(text),
                )
            )
        return found

    seed = derive_seed(settings.seed, "search", task.strategy, task.seed)
    predictions: list[dict[str, Prediction]] = []
    evaluations = run(settings.strategy, space, settings.evaluations, seed, look_up, predictions=predictions)
    simulated = sum(one.seconds for estimates in evaluations for one in estimates)
    if math.isfinite(simulated):
        task.cost.extra["seconds_in_the_table"] = round(simulated, 3)
    files = (task.output("candidates"), task.output("history"))
    gather(evaluations, *files, settings.table.search, predictions=predictions)
