"""Summarise and compare all trainings."""

from nas_steps.provenance.files import read_json
from nas_steps.provenance.task import Task
from nas_steps.retraining.contests import write_tables


def main(task: Task) -> None:
    """Write the four tables of all trainings."""
    write_tables([read_json(path) for path in task.trainings], task.folder)
