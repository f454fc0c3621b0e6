"""End a sampling strategy: candidates.csv and history.csv."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.estimation.estimates import by_round
from nas_steps.provenance.steps import parser
from nas_steps.search.tables import gather

MODULE = "nas_steps.search gather"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--told", nargs="+", required=True, help="shards of all rounds, oldest first")
    options.add_argument("--output", required=True, help="the strategy's folder")

    given = options.parse_args(arguments)
    output = Path(given.output)
    gather(by_round(given.told), output / "candidates.csv", output / "history.csv", "short_training")
