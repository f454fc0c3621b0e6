"""Make tables of all exported files: what they are, and how fast."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nas_steps.export.tables import EXPORTS, PERFORMANCE, flat
from nas_steps.provenance.files import read_json, write_csv
from nas_steps.provenance.task import Task


def main(task: Task) -> None:
    """Write exports.csv and performance.csv."""
    exports = [placed(flat(line), place) for line, place in lines(task.exports, task.folder)]
    write_csv(task.output("exports"), exports, EXPORTS)
    rows = [
        placed({key: line[key] for key in PERFORMANCE}, place) for line, place in lines(task.performances, task.folder)
    ]
    write_csv(task.output("performance"), rows, PERFORMANCE)


def lines(paths: Sequence[str], folder: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each line of some JSON files, and where the file lies from `folder`."""
    for path in paths:
        for line in read_json(path):
            yield line, os.path.relpath(os.path.dirname(path), folder)


def placed(row: dict[str, Any], place: str) -> dict[str, Any]:
    """Name the row's files relative to the folder of the table."""
    names = {key: os.path.normpath(f"{place}/{row[key]}") for key in ("file", "int8_file") if row.get(key)}
    return row | names
