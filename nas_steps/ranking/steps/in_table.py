"""Name the winners of searches in a benchmark's table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import LookupSettings, read_settings
from nas_steps.estimation.table import read_table
from nas_steps.provenance.files import read_csv, write_csv, write_json
from nas_steps.provenance.steps import parser
from nas_steps.ranking import in_table
from nas_steps.ranking.rank import AGREEMENT, WINNERS

MODULE = "nas_steps.ranking in_table"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--table", required=True, help="the benchmark's CSV file")
    options.add_argument("--candidates", nargs="+", required=True, help="<strategy>-<seed>/candidates.csv, several")
    options.add_argument("--output", required=True, help="folder of winners.csv and agreement.csv")
    options.add_argument("--budget", required=True, help="budget.json")
    given = options.parse_args(arguments)
    output = Path(given.output)
    step = read_settings(given.settings, LookupSettings)
    table = read_table(given.table, step.table, step.space.cells())
    searches = {}
    for path in given.candidates:
        strategy, _, seed = Path(path).parent.name.rpartition("-")
        searches[strategy, int(seed)] = read_csv(path)
    write_json(given.budget, in_table.budget(searches, step.kinds, table))
    write_csv(output / "winners.csv", in_table.winners(searches, step.kinds), WINNERS)
    write_csv(output / "agreement.csv", in_table.agreements(searches, step.table.search, table), AGREEMENT)
