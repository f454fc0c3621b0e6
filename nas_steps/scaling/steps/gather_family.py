"""Make one table of the family."""

from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.provenance.task import Task
from nas_steps.scaling import family


def main(task: Task) -> None:
    """Write family.csv."""
    trainings = [read_json(path) for path in task.trainings]
    write_csv(task.output("family"), family.gather_family(read_csv(task.members), trainings), family.FAMILY)
