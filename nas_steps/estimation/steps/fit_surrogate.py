"""Fit and check the surrogate that completes a benchmark's table."""

import numpy as np

from nas_steps.errors import UserError
from nas_steps.estimation import surrogate
from nas_steps.estimation.completed import open_table
from nas_steps.estimation.settings import TableSettings
from nas_steps.estimation.surrogate_fit import CHECKED, fit
from nas_steps.facts import REPORT, SEARCH, VALID
from nas_steps.provenance.files import write_csv
from nas_steps.provenance.task import Task


def main(task: Task) -> None:
    """Write surrogate.safetensors and surrogate.csv, a row for each column of the table that is asked for."""
    settings = task.read_settings(TableSettings)
    table = open_table(task.path, settings, None)
    task.cost.loaded()
    if not any(table.is_measured(SEARCH, one) and table.is_measured(REPORT, one) for one in table.architectures()):
        both = f"{settings.table.search} and {settings.table.report}"
        raise UserError(f"{task.path}: no row has both {both}; at least one must, to say how well a search can do")
    known = table.architectures()
    asked = {column: name for name, column in reversed(table.columns.items())}
    columns = {column: np.array([table.value(name, one) for one in known]) for column, name in asked.items()}
    # costs that are positive vary by factors; accuracies do not
    costs = {column for column, name in asked.items() if name not in (SEARCH, REPORT, VALID)}
    logs = {column for column in costs if not (columns[column] <= 0).any()}
    rising = {name for name, column in settings.table.columns.items() if column.goal == "maximise"}
    features = np.array([table.features(one) for one in known])
    fitted, checks = fit(features, columns, logs=logs, falling=costs - rising)
    surrogate.write(task.output("surrogate"), fitted)
    write_csv(task.output("checks"), checks, CHECKED)
