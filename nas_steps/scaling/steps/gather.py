"""One table of the family."""

from __future__ import annotations

from collections.abc import Sequence

from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.provenance.steps import parser
from nas_steps.scaling import family

MODULE = "nas_steps.scaling gather"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--members", required=True)
    options.add_argument("--trainings", nargs="+", required=True)
    options.add_argument("--output", required=True, help="family.csv")
    given = options.parse_args(arguments)
    trainings = [read_json(path) for path in given.trainings]
    rows = family.gather_family(read_csv(given.members), trainings)
    write_csv(given.output, rows, family.FAMILY)
