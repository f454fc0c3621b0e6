"""Make one table of the factorial's cells, and one of the effects of search and scaling."""

from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.provenance.task import Task
from nas_steps.scaling.effects import EFFECTS, effects
from nas_steps.scaling.factorial import CELLS, gather_cells
from nas_steps.scaling.settings import FactorialSettings


def main(task: Task) -> None:
    """Write factorial.csv and effects.csv."""
    factorial = task.read_settings(FactorialSettings).factorial
    designs = [row for path in task.designs for row in read_csv(path)]
    trainings = [read_json(path) for path in task.trainings]
    write_csv(task.output("factorial"), gather_cells(designs, trainings), CELLS)
    # without a winner nothing was compared
    rows = effects(factorial.bases, factorial.scalings, trainings) if designs else []
    write_csv(task.output("effects"), rows, EFFECTS)
