"""Rank the shortlist by its new trainings."""

from pathlib import Path

from nas_steps.estimation.estimates import read_estimates
from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.provenance.task import Task
from nas_steps.ranking import opponents, rank
from nas_steps.ranking.shortlist import read_searches, search_of


def main(task: Task) -> None:
    """Write ranked.csv, agreement.csv, winners.csv, opponents.csv and search_costs.csv."""
    shortlisted, trainings, matched = read_csv(task.shortlist), read_estimates(task.trainings), read_csv(task.matches)
    ranking = rank.ranked(shortlisted, trainings)
    write_csv(task.output("ranked"), ranking, rank.RANKED)
    write_csv(task.output("agreement"), rank.agreement(shortlisted, ranking), rank.AGREEMENT)
    winners = rank.winners(shortlisted, ranking)
    more, entries = opponents.slotted(matched, rank.best_within(shortlisted, ranking, matched))
    write_csv(task.output("winners"), [*winners, *more], rank.WINNERS)

    histories, budget = read_searches(task.histories), read_json(task.budget)
    costs = {search_of(path): float(read_json(path)["work_seconds"]) for path in task.costs}
    supernets = {_seed(path): float(read_json(path)["work_seconds"]) for path in task.supernets}
    seconds = opponents.seconds_of(histories, costs, supernets, shortlisted, trainings)
    searches = {search: opponents.spent_by(history, search[0], budget) for search, history in histories.items()}
    write_csv(task.output("opponents"), opponents.opponents(matched, entries, seconds), opponents.OPPONENTS)
    write_csv(task.output("search_costs"), opponents.search_costs(searches, seconds), opponents.COSTS)


def _seed(path: str) -> int:
    """Return the search seed of a file in the folder of a shared supernet."""
    return int(Path(path).parent.name.removeprefix("seed-"))
