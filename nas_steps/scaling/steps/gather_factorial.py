"""Make one table of the factorial's cells, and one of the effects of search and scaling."""

from pathlib import Path

from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.provenance.task import Task
from nas_steps.scaling.effects import EFFECTS, effects
from nas_steps.scaling.factorial import CELLS, gather_cells
from nas_steps.scaling.settings import FactorialSettings


def main(task: Task) -> None:
    """Write factorial.csv and effects.csv."""
    factorial = task.read_settings(FactorialSettings).factorial
    repetitions = dict(zip(map(number_of, task.designs), map(read_csv, task.designs), strict=True))
    designs = [row for rows in repetitions.values() for row in rows]
    searches = {number: rows[0]["search"] for number, rows in repetitions.items() if rows and rows[0]["search"]}
    trainings = [read_json(path) for path in task.trainings]
    write_csv(task.output("factorial"), gather_cells(designs, trainings), CELLS)
    # without a winner nothing was compared
    rows = effects(factorial.bases, factorial.scalings, trainings, searches) if designs else []
    write_csv(task.output("effects"), rows, EFFECTS)


def number_of(designs: str) -> int:
    """Return the repetition of a file designs-s<repetition>.csv."""
    return int(Path(designs).stem.rpartition("-s")[2])
