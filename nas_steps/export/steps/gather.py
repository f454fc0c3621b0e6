"""Tables of all exported files: what they are, and how fast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nas_steps.export.tables import EXPORTS, PERFORMANCE, flat
from nas_steps.provenance.files import read_json, write_csv
from nas_steps.provenance.steps import parser

MODULE = "nas_steps.export gather"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--checks", nargs="+", required=True, help="check.json of entries, exports.json of the family")
    options.add_argument("--performances", nargs="+", required=True, help="performance.json beside each of them")
    options.add_argument("--output", required=True, help="exports.csv")
    options.add_argument("--performance", required=True, help="performance.csv")
    given = options.parse_args(arguments)
    write_csv(given.output, [placed(flat(line), folder) for line, folder in lines(given.checks)], EXPORTS)
    rows = [placed({key: line.get(key) for key in PERFORMANCE}, folder) for line, folder in lines(given.performances)]
    write_csv(given.performance, rows, PERFORMANCE)


def lines(paths: Sequence[str]) -> Iterator[tuple[dict[str, Any], str]]:
    """Each line of some JSON files, with the name of the folder it was found in."""
    for path in map(Path, paths):
        found = read_json(path)
        for line in found if isinstance(found, list) else [found]:
            yield line, path.parent.name


def placed(row: dict[str, Any], folder: str) -> dict[str, Any]:
    """A row whose files are named relative to the folder of the table."""
    names = {key: f"{folder}/{row[key]}" for key in ("file", "int8_file") if row.get(key)}
    return row | names
