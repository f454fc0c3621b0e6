"""End a sampling strategy: candidates.csv and history.csv."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.estimation.estimates import by_round, read_told
from nas_steps.provenance.steps import parser
from nas_steps.search.tables import gather

MODULE = "nas_steps.search gather"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--told", nargs="+", required=True, help="shards of the rounds since, oldest first")
    options.add_argument("--earlier", help="told.csv of the last round: all rounds before it")
    options.add_argument("--estimator", required=True, help="what the scores are, for candidates.csv")
    options.add_argument("--rungs", nargs="*", type=int, default=[], help="epochs of each rung of successive halving")
    options.add_argument("--output", required=True, help="the strategy's folder")

    given = options.parse_args(arguments)
    output = Path(given.output)
    told = (read_told(given.earlier) if given.earlier else []) + by_round(given.told)
    gather(told, output / "candidates.csv", output / "history.csv", given.estimator, given.rungs)
