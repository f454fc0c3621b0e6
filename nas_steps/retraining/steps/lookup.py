"""Look the searches' winners up in the benchmark's table, and compare the strategies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import LookupSettings, read_settings
from nas_steps.estimation.table import read_table
from nas_steps.provenance.files import read_csv, write_csv
from nas_steps.provenance.steps import parser
from nas_steps.retraining import summary
from nas_steps.retraining.contests import CONTESTS, contests
from nas_steps.retraining.lookup import looked_up

MODULE = "nas_steps.retraining lookup"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--table", required=True, help="the benchmark's CSV file")
    options.add_argument("--winners", required=True, help="winners.csv")
    options.add_argument("--output", required=True, help="folder")
    given = options.parse_args(arguments)
    output = Path(given.output)
    step = read_settings(given.settings, LookupSettings)
    table = read_table(given.table, step.table, step.space.cells())
    found = looked_up(read_csv(given.winners), table)
    rows = [{key: metrics[key] for key in summary.RETRAINED} for metrics in found]
    write_csv(output / "retrained.csv", rows, summary.RETRAINED)
    write_csv(output / "summary.csv", summary.summarise(found), summary.SUMMARY)
    write_csv(output / "comparisons.csv", summary.compare(found), summary.COMPARISONS)
    write_csv(output / "contests.csv", contests(found), CONTESTS)
