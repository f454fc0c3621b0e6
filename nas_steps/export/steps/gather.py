"""One table of all exported files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.export.tables import EXPORTS
from nas_steps.provenance.files import read_json, write_csv
from nas_steps.provenance.steps import parser

MODULE = "nas_steps.export gather"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--checks", nargs="+", required=True, help="check.json of entries, exports.json of the family")
    options.add_argument("--output", required=True, help="exports.csv")
    given = options.parse_args(arguments)
    rows = []
    for path in map(Path, given.checks):
        found = read_json(path)
        for line in found if isinstance(found, list) else [found]:
            row = {key: line.get(key) for key in EXPORTS}
            # relative to the folder of exports.csv
            row["file"] = f"{path.parent.name}/{line['file']}" if line.get("file") else None
            rows.append(row)
    write_csv(given.output, rows, EXPORTS)
