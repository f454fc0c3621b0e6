"""End a sampling strategy: candidates.csv and history.csv."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.estimation.estimates import Estimate, read_estimates
from nas_steps.provenance.steps import parser
from nas_steps.search.tables import gather

MODULE = "nas_steps.search gather"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--told", nargs="+", required=True, help="shards of all rounds, oldest first")
    options.add_argument("--output", required=True, help="the strategy's folder")

    given = options.parse_args(arguments)
    output = Path(given.output)
    gather(_by_round(given.told), output / "candidates.csv", output / "history.csv", ESTIMATOR)


def _by_round(shards: Sequence[str]) -> list[list[Estimate]]:
    """The estimates of the shards in each round's folder, rounds in the order in which they are named."""
    folders: dict[Path, list[str]] = {}
    for shard in shards:
        folders.setdefault(Path(shard).parent, []).append(shard)
    return [read_estimates(files) for files in folders.values()]
