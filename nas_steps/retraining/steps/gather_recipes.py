"""Compare the trainings by all recipes."""

from pathlib import Path

from nas_steps.config.retrain import MAIN
from nas_steps.provenance.files import read_json
from nas_steps.provenance.task import Task
from nas_steps.retraining.recipes import write_tables
from nas_steps.retraining.summary import Metrics


def main(task: Task) -> None:
    """Write the three tables; files of other recipes are <recipe>/<entry>-s<seed>/metrics.json."""
    trainings: dict[str, list[Metrics]] = {MAIN: [read_json(path) for path in task.trainings]}
    for path in task.others:
        trainings.setdefault(Path(path).parent.parent.name, []).append(read_json(path))
    write_tables(trainings, task.folder)
