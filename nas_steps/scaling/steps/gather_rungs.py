"""Make one table of all rungs' trainings, one of the best losses, and one of the compute multipliers."""

from nas_steps.provenance.files import read_csv, write_csv
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.scaling.rungs import CURVES, MULTIPLIERS, TRAINED, gather
from nas_steps.scaling.settings import GatherSettings


def main(task: Task) -> None:
    """Write rungs.csv, rung_curves.csv and multipliers.csv."""
    settings = task.read_settings(GatherSettings)
    rows = [row for path in task.trained for row in read_csv(path)]
    curves, multipliers = gather(rows, derive_seed(settings.seed, "rungs"))
    write_csv(task.output("rungs"), rows, TRAINED)
    write_csv(task.output("curves"), curves, CURVES)
    write_csv(task.output("multipliers"), multipliers, MULTIPLIERS)
