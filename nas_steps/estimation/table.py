"""A benchmark's table instead of trainings: every architecture of a space with its accuracies."""

import csv
import gzip
import math
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nas_steps.config.estimators import Table
from nas_steps.errors import UserError, exact
from nas_steps.provenance.files import read_json, remember
from nas_steps.provenance.fingerprint import fingerprint
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.protocol import members

ARCHITECTURE = "architecture"
#: size of the largest space in which a missing architecture is looked for
COUNTABLE = 1_000_000


class Benchmark:
    """A table's columns by architecture: accuracies, as shares, that strategies see (`search`) or only the report does
    (`report`, `valid`), and the evaluation's `seconds`, NaN if the table has none."""

    def __init__(self, rows: Mapping[str, tuple[float, float, float, float]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def search(self, architecture: str) -> float:
        return self._rows[architecture][0]

    def report(self, architecture: str) -> float:
        return self._rows[architecture][1]

    def valid(self, architecture: str) -> float:
        return self._rows[architecture][2]

    def seconds(self, architecture: str) -> float:
        return self._rows[architecture][3]

    def architectures(self) -> list[str]:
        return list(self._rows)


def read_table(path: str | Path, settings: Table, space: CellSpace) -> Benchmark:
    """Read a table that holds each architecture of `space` once. Raises UserError, with the line, if it does not."""
    path = Path(path)
    accuracies = [settings.search, settings.report, settings.valid or settings.search]
    columns = [*accuracies, *([settings.cost] if settings.cost else [])]
    rows: dict[str, tuple[float, float, float, float]] = {}
    lines: dict[str, int] = {}
    for number, row in _lines(path, columns):
        where = f"{path}, line {number}"
        try:
            architecture = str(space.parse(row[ARCHITECTURE] or ""))
        except UserError as error:
            raise UserError(f"{where}: {error}; the table must be one of space {space.name}") from None
        if architecture in lines:
            before = lines[architecture]
            raise UserError(f"{where}: the architecture {architecture} is in line {before} already; keep one")
        lines[architecture] = number
        figures = [_figure(row[column], where, column) for column in columns]
        for column, value in zip(accuracies, figures, strict=False):
            if not 0 <= value <= 100:
                raise UserError(f"{where}: {column} is {exact(value)}; accuracies are per cent, from 0 to 100")
        search, report, valid, *seconds = figures
        rows[architecture] = (search / 100, report / 100, valid / 100, seconds[0] if seconds else math.nan)
    if len(rows) < space.size():
        listed = map(str, members(space)) if space.size() <= COUNTABLE else ()
        missing = next((f"; {one} is missing" for one in listed if one not in rows), "")
        held = f"{path} holds {len(rows):,} of the {space.size():,} architectures of space {space.name}"
        raise UserError(f"{held}{missing}; add them, or declare the space that it holds")
    return Benchmark(rows)


def check_table(path: str | Path, settings: Table, space: CellSpace, memory: str | Path, content: str) -> None:
    """Raise UserError if a table is no sound one. `memory` is a JSON file of sound tables, which saves reading them
    again; `content` is the fingerprint of the table."""
    key = fingerprint([content, settings.model_dump(mode="json", exclude={"path"}), repr(space)])
    sound: dict[str, Any] = read_json(memory) if Path(memory).is_file() else {}
    if key not in sound:
        read_table(path, settings, space)
        remember(memory, sound | {key: str(path)})


def _lines(path: Path, columns: list[str]) -> Iterator[tuple[int, dict[str, str | None]]]:
    """Yield each row of a CSV file with its line. Raises UserError if it is none or lacks a column."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        # spreadsheets begin a table with a byte-order mark
        with opened(path, "rt", newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []
            for column in (ARCHITECTURE, *columns):
                if column not in names:
                    raise UserError(f"{path} has no column {column!r}; its columns are {', '.join(names) or 'none'}")
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read as CSV ({error})") from error


def _figure(cell: str | None, where: str, column: str) -> float:
    try:
        value = float(cell or "nan")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{where}: {column} is {cell!r}, which is no number; every architecture needs one")
    return value
