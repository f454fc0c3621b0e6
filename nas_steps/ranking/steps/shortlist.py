"""Take the best candidates of each search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import ShortlistSettings, read_settings
from nas_steps.errors import UserError
from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.provenance.steps import parser
from nas_steps.ranking import shortlist

MODULE = "nas_steps.ranking shortlist"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--candidates", nargs="+", required=True, help="<strategy>-<seed>/candidates.csv, several")
    options.add_argument("--calibration", help="calibration.json, where the config says `auto`")
    options.add_argument("--output", required=True, help="shortlist.csv")

    given = options.parse_args(arguments)
    step = read_settings(given.settings, ShortlistSettings)
    best = step.shortlist
    if best == "auto":
        if given.calibration is None:
            raise UserError("--calibration: the shortlist is auto; name the calibration.json that says how many")
        best = int(read_json(given.calibration)["shortlist"])
    candidates = {}
    for path in given.candidates:
        strategy, _, seed = Path(path).parent.name.rpartition("-")
        candidates[strategy, int(seed)] = read_csv(path)
    write_csv(given.output, shortlist.shortlist(candidates, step.kinds, best), shortlist.COLUMNS)
