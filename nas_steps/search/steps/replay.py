"""Search in a benchmark's table, in one process."""

import math
from collections.abc import Sequence

from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.table import read_table
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.search.protocol import Prediction
from nas_steps.search.sampling import run
from nas_steps.search.settings import ReplaySettings
from nas_steps.search.tables import gather
from nas_steps.spaces.declare import declared_cells
from nas_steps.spaces.protocol import Architecture


def main(task: Task) -> None:
    settings = task.read_settings(ReplaySettings)
    space = declared_cells(settings.space)
    table = read_table(task.path, settings.table, space)
    task.cost.loaded()

    def look_up(asked: Sequence[Architecture]) -> list[Estimate]:
        texts = enumerate(map(str, asked))
        return [Estimate(index, text, table.search(text), seconds=table.seconds(text)) for index, text in texts]

    seed = derive_seed(settings.seed, "search", task.strategy, task.seed)
    predictions: list[dict[str, Prediction]] = []
    evaluations = run(settings.strategy, space, settings.evaluations, seed, look_up, predictions=predictions)
    simulated = sum(one.seconds for estimates in evaluations for one in estimates)
    if math.isfinite(simulated):
        task.cost.extra["seconds_in_the_table"] = round(simulated, 3)
    files = (task.output("candidates"), task.output("history"))
    gather(evaluations, *files, settings.table.search, predictions=predictions)
