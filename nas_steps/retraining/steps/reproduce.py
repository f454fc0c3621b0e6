"""Compare the looked up accuracies of each strategy with published ones."""

from nas_steps.provenance.files import read_csv, write_csv
from nas_steps.provenance.task import Task
from nas_steps.retraining.reproduction import FOUND, REPRODUCTION, found, reproduction
from nas_steps.retraining.settings import ReproduceSettings


def main(task: Task) -> None:
    """Write reproduction.csv and found.csv."""
    settings = task.read_settings(ReproduceSettings)
    rows = found(read_csv(task.retrained), list(settings.published))
    made = reproduction(rows, settings.kinds, settings.published, settings.margin)
    write_csv(task.output("found"), rows, FOUND)
    write_csv(task.output("reproduction"), made, REPRODUCTION)
    for row in made:
        print(f"{row['strategy']}: {row['word']} ({row['why']})")
