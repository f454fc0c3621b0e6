"""Name the winners of searches in a benchmark's table."""

from nas_steps.estimation.completed import open_table
from nas_steps.estimation.settings import LookupSettings
from nas_steps.estimation.table_space import TableSpace
from nas_steps.provenance.files import write_csv, write_json
from nas_steps.provenance.task import Task
from nas_steps.ranking import in_table, opponents
from nas_steps.ranking.rank import AGREEMENT, WINNERS
from nas_steps.ranking.shortlist import read_searches
from nas_steps.spaces.constraints import given


def main(task: Task) -> None:
    """Write every file of the declaration."""
    settings = task.read_settings(LookupSettings)
    table = open_table(task.path, settings, task.surrogate)
    within = TableSpace(table, settings.table, given(settings.constraints))
    searches, histories = read_searches(task.candidates), read_searches(task.histories)
    spent = {search: in_table.spent_by(history) for search, history in histories.items()}
    matched = opponents.matches(spent, settings.kinds, by_evaluations=True)
    more, entries = opponents.slotted(matched, in_table.best_within(matched, histories, table))
    largest, by_size, sizes = in_table.opponents_by_size(matched, histories, table, within) if matched else ([], [], [])
    # nothing is trained to rank
    seconds = opponents.seconds_of(histories, {}, {}, [], [])
    write_json(task.output("budget"), in_table.budget(searches, settings.kinds, table))
    write_csv(task.output("winners"), [*in_table.winners(searches, settings.kinds), *more], WINNERS)
    write_csv(task.output("agreement"), in_table.agreements(searches, settings.table.search, table), AGREEMENT)
    met = opponents.opponents(matched, entries, seconds)
    # counting takes no time beside looking up
    met += [{**row, "entry": entry} for row, entry in zip(by_size, sizes, strict=True)]
    write_csv(task.output("opponents"), met, opponents.OPPONENTS)
    write_csv(task.output("largest"), largest, WINNERS)
    rows, columns = in_table.looked_up(histories, largest, table)
    write_csv(task.output("looked_up"), rows, columns)
    write_csv(task.output("search_costs"), opponents.search_costs(spent, seconds), opponents.COSTS)
