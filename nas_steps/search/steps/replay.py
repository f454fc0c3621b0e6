"""Search in a benchmark's table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import ReplaySettings, read_settings
from nas_steps.estimation.table import read_table
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.steps import parser
from nas_steps.search.replay import replay
from nas_steps.search.tables import gather

MODULE = "nas_steps.search replay"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--table", required=True, help="the benchmark's CSV file")
    options.add_argument("--strategy", required=True, help="its name in the config")
    options.add_argument("--seed", type=int, required=True, help="the search seed: 0, 1, ...")
    options.add_argument("--output", required=True, help="the strategy's folder")
    given = options.parse_args(arguments)
    output = Path(given.output)
    step = read_settings(given.settings, ReplaySettings)
    with measured(output / "cost.json", "search", f"{given.strategy}-{given.seed}") as cost:
        table = read_table(given.table, step.table, step.space.cells())
        cost.loaded()
        told = replay(step, table, seed=derive_seed(step.seed, "search", given.strategy, given.seed))
        simulated = sum(one.seconds for estimates in told for one in estimates)
        if math.isfinite(simulated):
            cost.extra["seconds_in_the_table"] = round(simulated, 3)
        gather(told, output / "candidates.csv", output / "history.csv", step.table.search)
