"""Take the best candidates of each search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.stages import ShortlistStep, read_slice
from nas_steps.provenance.files import read_csv, write_csv
from nas_steps.provenance.steps import parser
from nas_steps.ranking import shortlist

MODULE = "nas_steps.ranking shortlist"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--candidates", nargs="+", required=True, help="<strategy>-<seed>/candidates.csv, several")
    options.add_argument("--output", required=True, help="shortlist.csv")

    given = options.parse_args(arguments)
    step = read_slice(given.settings, ShortlistStep)
    candidates = {}
    for path in given.candidates:
        strategy, _, seed = Path(path).parent.name.rpartition("-")
        candidates[strategy, int(seed)] = read_csv(path)
    write_csv(given.output, shortlist.shortlist(candidates, step.kinds, step.shortlist), shortlist.COLUMNS)
