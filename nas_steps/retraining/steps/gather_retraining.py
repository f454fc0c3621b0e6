"""Summarise and compare all trainings."""

from nas_steps.provenance.files import read_json
from nas_steps.provenance.task import Task
from nas_steps.retraining.contests import write_tables
from nas_steps.training.record import needed


def main(task: Task) -> None:
    """Write the four tables of all trainings that were needed."""
    write_tables(needed(read_json(path) for path in task.trainings), task.folder)
