"""Rank the shortlist by its new trainings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.estimation.estimates import read_estimates
from nas_steps.provenance.files import read_csv, write_csv
from nas_steps.provenance.steps import parser
from nas_steps.ranking import rank

MODULE = "nas_steps.ranking rank"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--shortlist", required=True)
    options.add_argument("--trainings", nargs="+", required=True, help="estimates of all seeds and shards")
    options.add_argument("--output", required=True, help="folder of ranked.csv, agreement.csv and winners.csv")
    given = options.parse_args(arguments)
    output = Path(given.output)
    shortlisted = read_csv(given.shortlist)
    ranking = rank.ranked(shortlisted, read_estimates(given.trainings))
    won = rank.winners(shortlisted, ranking)
    write_csv(output / "ranked.csv", ranking, rank.RANKED)
    write_csv(output / "agreement.csv", rank.agreement(shortlisted, ranking), rank.AGREEMENT)
    rows = [{key: row[key] for key in rank.WINNERS} for row in won.values()]
    write_csv(output / "winners.csv", rows, rank.WINNERS)
