"""Name the winners of searches in a benchmark's table."""

from nas_steps.estimation.settings import LookupSettings
from nas_steps.estimation.table import read_table
from nas_steps.provenance.files import write_csv, write_json
from nas_steps.provenance.task import Task
from nas_steps.ranking import in_table
from nas_steps.ranking.rank import AGREEMENT, WINNERS
from nas_steps.ranking.shortlist import read_candidates
from nas_steps.spaces.declare import declared_cells


def main(task: Task) -> None:
    """Write budget.json, winners.csv and agreement.csv."""
    settings = task.read_settings(LookupSettings)
    table = read_table(task.path, settings.table, declared_cells(settings.space))
    searches = read_candidates(task.candidates)
    write_json(task.output("budget"), in_table.budget(searches, settings.kinds, table))
    write_csv(task.output("winners"), in_table.winners(searches, settings.kinds), WINNERS)
    write_csv(task.output("agreement"), in_table.agreements(searches, settings.table.search, table), AGREEMENT)
