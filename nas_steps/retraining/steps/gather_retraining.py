"""Summarise and compare all trainings."""

from nas_steps.provenance.files import read_json
from nas_steps.provenance.task import Task
from nas_steps.retraining.contests import write_tables


def main(task: Task) -> None:
    """Write the four tables of all trainings, those of entries that are not needed left out."""
    records = [read_json(path) for path in task.trainings]
    write_tables([one for one in records if one["status"] != "unneeded"], task.folder)
