"""Name the winners of searches in a benchmark's table."""

from nas_steps.estimation.completed import open_table
from nas_steps.estimation.settings import LookupSettings
from nas_steps.estimation.table_space import TableSpace
from nas_steps.provenance.files import read_json, write_csv, write_json
from nas_steps.provenance.task import Task
from nas_steps.ranking import in_table, opponents
from nas_steps.ranking.rank import AGREEMENT, WINNERS
from nas_steps.ranking.shortlist import read_searches, search_of
from nas_steps.spaces.constraints import given


def main(task: Task) -> None:
    """Write every file of the declaration."""
    settings = task.read_settings(LookupSettings)
    table = open_table(task.path, settings, task.surrogate)
    within = TableSpace(table, settings.table, given(settings.constraints))
    kinds, own = settings.kinds, settings.own
    searches, histories = read_searches(task.candidates), read_searches(task.histories)
    spent = {search: in_table.spent_by(history, supernet=search[0] in own) for search, history in histories.items()}
    matched = opponents.matches(spent, kinds, by_evaluations=True)
    more, entries = opponents.slotted(matched, in_table.best_within(matched, histories, table))
    asked = [row for row in matched if row["strategy"] not in own]
    largest, by_size, sizes = in_table.opponents_by_size(asked, histories, table, within) if asked else ([], [], [])
    # nothing is trained to rank
    costs = {search_of(path): float(read_json(path)["work_seconds"]) for path in task.costs}
    seconds = opponents.seconds_of(histories, costs, {}, [], [])
    write_json(task.output("budget"), in_table.budget(searches, kinds, own, table))
    winners = in_table.winners(searches, kinds, table)
    write_csv(task.output("winners"), [*winners, *more], WINNERS)
    agreements = in_table.agreements(searches, own, settings.table.search, table)
    write_csv(task.output("agreement"), agreements, AGREEMENT)
    met = opponents.opponents(matched, entries, seconds)
    # counting takes no time beside looking up
    met += [{**row, "entry": entry} for row, entry in zip(by_size, sizes, strict=True)]
    write_csv(task.output("opponents"), met, opponents.OPPONENTS)
    write_csv(task.output("largest"), largest, WINNERS)
    asking = {search: history for search, history in histories.items() if search[0] not in own}
    found = [row for row in winners if row["strategy"] in own and row["architecture"]]
    rows, columns = in_table.looked_up(asking, [*found, *largest], table)
    write_csv(task.output("looked_up"), rows, columns)
    write_csv(task.output("search_costs"), opponents.search_costs(spent, seconds), opponents.COSTS)
