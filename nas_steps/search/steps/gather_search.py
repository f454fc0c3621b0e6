"""End a strategy that asks and tells: candidates.csv and history.csv."""

from nas_steps.estimation.estimates import by_round, read_evaluations
from nas_steps.provenance.task import Task
from nas_steps.search.settings import GatherSettings
from nas_steps.search.tables import gather, read_predictions


def main(task: Task) -> None:
    settings = task.read_settings(GatherSettings)
    evaluations = (read_evaluations(task.earlier) if task.earlier else []) + by_round(task.evaluated)
    predictions = list(map(read_predictions, task.predictions))
    files = (task.output("candidates"), task.output("history"))
    gather(evaluations, *files, settings.estimator, settings.rungs, predictions=predictions)
