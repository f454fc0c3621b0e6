"""Summarise and compare all trainings."""

from nas_steps.provenance.files import read_csv
from nas_steps.provenance.task import Task
from nas_steps.retraining.contests import write_tables
from nas_steps.retraining.predictions import read_trainings


def main(task: Task) -> None:
    """Write the four tables of all trainings."""
    trainings = read_trainings(task.trainings, task.predictions, task.data)
    write_tables(trainings, task.folder, read_csv(task.opponents))
