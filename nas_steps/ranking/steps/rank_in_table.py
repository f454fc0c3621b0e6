"""Name the winners of searches in a benchmark's table."""

from nas_steps.estimation.settings import LookupSettings
from nas_steps.estimation.table import read_table
from nas_steps.provenance.files import read_json, write_csv, write_json
from nas_steps.provenance.task import Task
from nas_steps.ranking import in_table, opponents
from nas_steps.ranking.rank import AGREEMENT, WINNERS
from nas_steps.ranking.shortlist import read_searches, search_of
from nas_steps.spaces.declare import declared_cells


def main(task: Task) -> None:
    """Write budget.json, winners.csv, agreement.csv, opponents.csv and search_costs.csv."""
    settings = task.read_settings(LookupSettings)
    table = read_table(task.path, settings.table, declared_cells(settings.space))
    kinds, own = settings.kinds, settings.own
    searches, histories = read_searches(task.candidates), read_searches(task.histories)
    spent = {search: in_table.spent_by(history, supernet=search[0] in own) for search, history in histories.items()}
    matched = opponents.matches(spent, kinds, by_evaluations=True)
    more, entries = opponents.slotted(matched, in_table.best_within(matched, histories, table))
    # nothing is trained to rank
    costs = {search_of(path): float(read_json(path)["work_seconds"]) for path in task.costs}
    seconds = opponents.seconds_of(histories, costs, {}, [], [])
    write_json(task.output("budget"), in_table.budget(searches, kinds, own, table))
    write_csv(task.output("winners"), [*in_table.winners(searches, kinds, table), *more], WINNERS)
    agreements = in_table.agreements(searches, own, settings.table.search, table)
    write_csv(task.output("agreement"), agreements, AGREEMENT)
    write_csv(task.output("opponents"), opponents.opponents(matched, entries, seconds), opponents.OPPONENTS)
    write_csv(task.output("search_costs"), opponents.search_costs(spent, seconds), opponents.COSTS)
