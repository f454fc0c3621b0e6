"""A benchmark's table instead of trainings: architectures of a space with their accuracies. Imports no numpy."""

import csv
import gzip
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_steps.config.estimators import Table, TableColumn
from nas_steps.errors import UserError, exact
from nas_steps.estimation import ofa
from nas_steps.facts import REPORT, SEARCH, SECONDS, VALID
from nas_steps.provenance.files import read_json, remember
from nas_steps.provenance.fingerprint import fingerprint
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.spaces.protocol import members

ARCHITECTURE = "architecture"
#: size of the largest space in which a missing architecture is looked for
COUNTABLE = 1_000_000


class Benchmark:
    """A table's figures by architecture: accuracies, as shares, that strategies see (`search`) or only the report does
    (`report`, `valid`), an evaluation's `seconds`, NaN if the table has none, and those of the further columns `names`.
    """

    def __init__(self, rows: Mapping[str, Sequence[float]], names: Sequence[str] = ()) -> None:
        self._rows = rows
        self._places = {name: place for place, name in enumerate((SEARCH, REPORT, VALID, SECONDS, *names))}

    def __len__(self) -> int:
        return len(self._rows)

    def value(self, name: str, architecture: str) -> float:
        """Return one figure: `search`, `report`, `seconds` or a further column; NaN for an empty cell."""
        return self._rows[architecture][self._places[name]]

    def search(self, architecture: str) -> float:
        return self.value(SEARCH, architecture)

    def report(self, architecture: str) -> float:
        return self.value(REPORT, architecture)

    def valid(self, architecture: str) -> float:
        return self.value(VALID, architecture)

    def seconds(self, architecture: str) -> float:
        return self.value(SECONDS, architecture)

    def architectures(self) -> list[str]:
        """Return the architectures that the table itself holds."""
        return list(self._rows)


def limits_of(column: TableColumn) -> tuple[float, float]:
    """Return the lowest and the highest value that are admitted."""
    low, high = column.at_least, column.at_most
    return -math.inf if low is None else low, math.inf if high is None else high


def read_table(path: str | Path, settings: Table, space: CellSpace | MobileSpace) -> Benchmark:
    """Read a table that holds each architecture of `space` once; some of them, if `missing` is `surrogate`.

    Raises UserError, with the line, if it does not.
    """
    path, complete = Path(path), settings.missing == "refuse"
    accuracies = [settings.search, settings.report, settings.valid or settings.search]
    columns = [*accuracies, *([settings.cost] if settings.cost else []), *settings.columns]
    keys = (ARCHITECTURE,) if settings.spelling == "string" else ofa.COLUMNS
    rows: dict[str, tuple[float, ...]] = {}
    lines: dict[str, int] = {}
    for number, row in _lines(path, [*keys, *columns]):
        where = f"{path}, line {number}"
        try:
            architecture = str(_architecture(row, settings, space))
        except UserError as error:
            raise UserError(f"{where}: {error}; the table must be one of space {space.name}") from None
        figures = [_figure(row[column], where, column, needed=complete) for column in columns]
        for column, value in zip(accuracies, figures, strict=False):
            if not math.isnan(value) and not 0 <= value <= 100:
                raise UserError(f"{where}: {column} is {exact(value)}; accuracies are per cent, from 0 to 100")
        seconds = [] if settings.cost else [math.nan]
        figures = [*(share / 100 for share in figures[:3]), *seconds, *figures[3:]]
        if architecture in lines:
            before = lines[architecture]
            # published lists of subnets name one twice, by layers that do not count
            if settings.spelling == "ofa" and repr(rows[architecture]) == repr(tuple(figures)):
                continue
            raise UserError(f"{where}: the architecture {architecture} is in line {before} already; keep one")
        lines[architecture] = number
        rows[architecture] = tuple(figures)
    if complete and len(rows) < space.size():
        listed = map(str, members(space)) if space.size() <= COUNTABLE else ()
        missing = next((f"; {one} is missing" for one in listed if one not in rows), "")
        held = f"{path} holds {len(rows):,} of the {space.size():,} architectures of space {space.name}"
        mend = "add them, declare the space that it holds, or set search.estimator.missing: surrogate"
        raise UserError(f"{held}{missing}; {mend}")
    table = Benchmark(rows, list(settings.columns))
    _check_limits(path, table, settings)
    return table


def _check_limits(path: Path, table: Benchmark, settings: Table) -> None:
    """Refuse limits that no row of the table keeps."""
    for name, column in settings.columns.items():
        known = [value for one in table.architectures() if not math.isnan(value := table.value(name, one))]
        low, high = limits_of(column)
        if known and not any(low <= value <= high for value in known):
            limits = {"at_least": column.at_least, "at_most": column.at_most}
            given = " and ".join(f"{key} {exact(limit)}" for key, limit in limits.items() if limit is not None)
            between = f"its values go from {exact(min(known))} to {exact(max(known))}"
            raise UserError(f"search.estimator.columns.{name} is {given}, which no row of {path} keeps: {between}")


def _architecture(row: Mapping[str, str | None], settings: Table, space: CellSpace | MobileSpace) -> object:
    if settings.spelling == "string":
        return space.parse(row[ARCHITECTURE] or "")
    if not isinstance(space, MobileSpace):
        raise UserError("search.estimator.spelling is ofa, which names layers of mobile stages")
    return ofa.architecture(row, space)


def check_table(
    path: str | Path, settings: Table, space: CellSpace | MobileSpace, memory: str | Path, content: str
) -> None:
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
            for column in columns:
                if column not in names:
                    raise UserError(f"{path} has no column {column!r}; its columns are {', '.join(names) or 'none'}")
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read as CSV ({error})") from error


def _figure(cell: str | None, where: str, column: str, *, needed: bool) -> float:
    """Read a cell; NaN for an empty one unless it is `needed`."""
    if not needed and not (cell or "").strip():
        return math.nan
    try:
        value = float(cell or "nan")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        what = "every architecture needs one" if needed else "leave the cell empty if there is none"
        raise UserError(f"{where}: {column} is {cell!r}, which is no number; {what}")
    return value
