"""The steps around the ranking's trainings: choose the shortlist, rank it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.stages import ShortlistStep, read_slice
from nas_steps.estimation.estimates import read_estimates
from nas_steps.provenance.files import read_csv, write_csv
from nas_steps.provenance.steps import parser, run
from nas_steps.ranking import rank, shortlist

MODULE = "nas_steps.ranking"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    steps = options.add_subparsers(dest="step", required=True)

    step = steps.add_parser("shortlist", help="take the best candidates of each search")
    step.add_argument("--settings", required=True)
    step.add_argument("--candidates", nargs="+", required=True, help="<strategy>-<seed>/candidates.csv, several")
    step.add_argument("--output", required=True, help="shortlist.csv")

    step = steps.add_parser("rank", help="rank the shortlist by its new trainings")
    step.add_argument("--shortlist", required=True)
    step.add_argument("--trainings", nargs="+", required=True, help="estimates of all seeds and shards")
    step.add_argument("--output", required=True, help="folder of ranked.csv, agreement.csv and winners.csv")

    given = options.parse_args(arguments)
    {"shortlist": _shortlist, "rank": _rank}[given.step](given)


def _shortlist(given: argparse.Namespace) -> None:
    step = read_slice(given.settings, ShortlistStep)
    candidates = {}
    for path in given.candidates:
        strategy, _, seed = Path(path).parent.name.rpartition("-")
        candidates[strategy, int(seed)] = read_csv(path)
    write_csv(given.output, shortlist.shortlist(candidates, step.kinds, step.shortlist), shortlist.COLUMNS)


def _rank(given: argparse.Namespace) -> None:
    output = Path(given.output)
    shortlisted = read_csv(given.shortlist)
    ranking = rank.ranked(shortlisted, read_estimates(given.trainings))
    won = rank.winners(shortlisted, ranking)
    write_csv(output / "ranked.csv", ranking, rank.RANKED)
    write_csv(output / "agreement.csv", rank.agreement(shortlisted, ranking), rank.AGREEMENT)
    rows = [{key: row[key] for key in rank.WINNERS} for row in won.values()]
    write_csv(output / "winners.csv", rows, rank.WINNERS)


if __name__ == "__main__":
    run(main, MODULE)
