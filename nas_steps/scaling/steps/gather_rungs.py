"""Make the tables of the rungs: all trainings, the best losses, the compute multipliers, search against scaling."""

from nas_steps.provenance.files import read_csv, write_csv
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.scaling.ladder import TRAINED
from nas_steps.scaling.rungs import CURVES, GAINS, MULTIPLIERS, gather
from nas_steps.scaling.settings import GatherSettings


def main(task: Task) -> None:
    """Write rungs.csv, rung_curves.csv, multipliers.csv and rung_effects.csv."""
    settings = task.read_settings(GatherSettings)
    rows = [row for path in task.trained for row in read_csv(path)]
    tables = gather(rows, derive_seed(settings.seed, "rungs"))
    write_csv(task.output("rungs"), rows, TRAINED)
    write_csv(task.output("curves"), tables.curves, CURVES)
    write_csv(task.output("multipliers"), tables.multipliers, MULTIPLIERS)
    write_csv(task.output("effects"), tables.effects, GAINS)
