"""What a table of the report is: raw rows for the CSV file, and how each cell is spelled on the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nas_steps.report import numbers

Cells = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of the page's table: what heads it and how a row's cell reads. `key` is its column in the CSV.

    A column of text, or an `optional` one, is left out where it is empty in all rows.
    """

    key: str
    head: str
    spell: Callable[[Cells], str]
    numeric: bool = True
    optional: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of raw figures under `keys` (the CSV), and the columns that the page shows of them."""

    name: str
    caption: str
    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Cells, ...] = field(default=())

    def spelled(self) -> list[list[str]]:
        """The cells of the page, row by row."""
        return [[column.spell(row) for column in self.columns] for row in self.rows]

    def without_empty(self) -> Table:
        """The same table without columns of text, and optional ones, that are empty in all rows."""
        columns = tuple(
            one for one in self.columns if (one.numeric and not one.optional) or any(map(one.spell, self.rows))
        )
        return Table(self.name, self.caption, self.keys, columns if self.rows else self.columns, self.rows)

    def showing(self, keys: Sequence[str], caption: str) -> Table:
        """The same rows with fewer columns."""
        columns = tuple(column for column in self.columns if column.key in keys)
        return Table(self.name, caption, self.keys, columns, self.rows)


def text(key: str, head: str, empty: str = "") -> Column:
    return Column(key, head, lambda row: str(row[key]) if row[key] not in (None, "") else empty, numeric=False)


def figure(key: str, head: str, spell: Callable[[Any], str]) -> Column:
    return Column(key, head, lambda row: spell(row[key]))


def known(key: str, head: str, spell: Callable[[Any], str]) -> Column:
    """A figure of some rows, or of some experiments, alone: a column without any is left out."""
    return Column(key, head, lambda row: "" if row[key] is None else spell(row[key]), optional=True)


def bracket(low: float | None, high: float | None) -> str:
    return "no interval" if low is None or high is None else f"[{numbers.plain(low)}, {numbers.plain(high)}]"


def figure_or_status(value: float | None, status: str) -> str:
    if value is not None:
        return numbers.points(value)
    return status if status not in ("", "ok") else numbers.NO_FIGURE


def interval_or_nothing(row: Cells) -> str:
    return "" if row["test_mean"] is None else numbers.interval(row["test_low"], row["test_high"])


def signed_points(row: Cells) -> str:
    return numbers.points(row["difference"], numbers.decimals_for(row["low"], row["high"]), sign=True)
