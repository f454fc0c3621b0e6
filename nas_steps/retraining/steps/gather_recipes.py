"""Compare the trainings by all recipes."""

from pathlib import Path

from nas_steps.facts import MAIN_RECIPE
from nas_steps.provenance.files import read_csv
from nas_steps.provenance.task import Task
from nas_steps.retraining.predictions import read_trainings
from nas_steps.retraining.recipes import write_tables


def main(task: Task) -> None:
    """Write the three tables; files of other recipes are <recipe>/<entry>-s<seed>/metrics.json."""
    records = {MAIN_RECIPE: list(task.trainings)}
    for path in task.others:
        records.setdefault(Path(path).parent.parent.name, []).append(path)
    trainings = {recipe: read_trainings(paths, task.predictions, task.data) for recipe, paths in records.items()}
    write_tables(trainings, read_csv(task.opponents), task.folder)
