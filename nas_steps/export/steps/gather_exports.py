"""Make tables of all exported files: what they are, and how fast."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nas_steps.export.tables import EXPORTS, PERFORMANCE, flat
from nas_steps.provenance.files import read_json, write_csv
from nas_steps.provenance.task import Task


def main(task: Task) -> None:
    """Write exports.csv and performance.csv."""
    write_csv(task.output("exports"), [placed(flat(line), folder) for line, folder in lines(task.checks)], EXPORTS)
    rows = [placed({key: line.get(key) for key in PERFORMANCE}, folder) for line, folder in lines(task.performances)]
    write_csv(task.output("performance"), rows, PERFORMANCE)


def lines(paths: Sequence[str]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each line of some JSON files with the name of its folder."""
    for path in map(Path, paths):
        found = read_json(path)
        for line in found if isinstance(found, list) else [found]:
            yield line, path.parent.name


def placed(row: dict[str, Any], folder: str) -> dict[str, Any]:
    """Name the row's files relative to the folder of the table."""
    names = {key: f"{folder}/{row[key]}" for key in ("file", "int8_file") if row.get(key)}
    return row | names
