"""The factorial's cells, and the effects of search and scaling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import FactorialSettings, read_settings
from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.provenance.steps import parser
from nas_steps.scaling.effects import EFFECTS, effects
from nas_steps.scaling.factorial import CELLS, gather_cells

MODULE = "nas_steps.scaling gather_factorial"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--designs", nargs="+", required=True, help="the designs of each seed")
    options.add_argument("--trainings", nargs="+", required=True, help="metrics.json of all cells and seeds")
    options.add_argument("--output", required=True, help="folder of factorial.csv and effects.csv")
    given = options.parse_args(arguments)
    step = read_settings(given.settings, FactorialSettings)
    designs = [row for path in given.designs for row in read_csv(path)]
    trainings = [read_json(path) for path in given.trainings]
    output = Path(given.output)
    write_csv(output / "factorial.csv", gather_cells(designs, trainings), CELLS)
    # without a winner nothing was compared
    rows = effects(step.factorial.bases, step.factorial.scalings, trainings) if designs else []
    write_csv(output / "effects.csv", rows, EFFECTS)
