"""Summarise and compare all trainings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.provenance.files import read_json, write_csv
from nas_steps.provenance.steps import parser
from nas_steps.retraining import summary
from nas_steps.retraining.contests import CONTESTS, contests

MODULE = "nas_steps.retraining gather"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--trainings", nargs="+", required=True, help="metrics.json of all entries and seeds")
    options.add_argument("--output", required=True, help="folder")
    given = options.parse_args(arguments)
    output = Path(given.output)
    trainings = [read_json(path) for path in given.trainings]
    rows = [{key: metrics[key] for key in summary.RETRAINED} for metrics in trainings]
    write_csv(output / "retrained.csv", rows, summary.RETRAINED)
    write_csv(output / "summary.csv", summary.summarise(trainings), summary.SUMMARY)
    write_csv(output / "comparisons.csv", summary.compare(trainings), summary.COMPARISONS)
    write_csv(output / "contests.csv", contests(trainings), CONTESTS)
