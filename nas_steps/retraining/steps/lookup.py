"""Look the searches' winners up in the benchmark's table, and compare the strategies."""

from __future__ import annotations

from nas_steps.estimation.settings import LookupSettings
from nas_steps.estimation.table import read_table
from nas_steps.provenance.files import read_csv
from nas_steps.provenance.task import Task
from nas_steps.retraining.contests import write_tables
from nas_steps.retraining.lookup import looked_up
from nas_steps.spaces.declare import declared_cells


def main(task: Task) -> None:
    """Write the four tables of all lookups."""
    settings = task.read_settings(LookupSettings)
    table = read_table(task.path, settings.table, declared_cells(settings.space))
    write_tables(looked_up(read_csv(task.winners), table), task.folder)
