"""Rank the shortlist by its new trainings."""

from nas_steps.estimation.estimates import read_estimates
from nas_steps.provenance.files import read_csv, write_csv
from nas_steps.provenance.task import Task
from nas_steps.ranking import rank


def main(task: Task) -> None:
    """Write ranked.csv, agreement.csv and winners.csv."""
    shortlisted = read_csv(task.shortlist)
    ranking = rank.ranked(shortlisted, read_estimates(task.trainings))
    write_csv(task.output("ranked"), ranking, rank.RANKED)
    write_csv(task.output("agreement"), rank.agreement(shortlisted, ranking), rank.AGREEMENT)
    write_csv(task.output("winners"), rank.winners(shortlisted, ranking), rank.WINNERS)
