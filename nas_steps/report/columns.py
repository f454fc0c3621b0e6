"""What a table of the report is: raw rows for the CSV file, and how each cell is spelled on the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nas_steps.report import numbers

Cells = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of the page's table: its head, and how a row's cell reads. `key` is its column in the CSV.

    A column of text, or an `optional` one, is left out if it is empty in all rows.
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
    keys: Sequence[str]
    columns: Sequence[Column]
    rows: Sequence[Cells] = ()

    def spelled(self) -> list[list[str]]:
        """Spell the cells of the page, row by row."""
        return [[column.spell(row) for column in self.columns] for row in self.rows]

    def without_empty(self) -> Table:
        """Leave out the columns of text, and optional ones, that are empty in all rows."""
        if not self.rows:
            return self
        kept = [one for one in self.columns if (one.numeric and not one.optional) or any(map(one.spell, self.rows))]
        return replace(self, columns=kept)

    def showing(self, keys: Sequence[str], caption: str) -> Table:
        """Keep the rows, show fewer columns."""
        return replace(self, caption=caption, columns=[column for column in self.columns if column.key in keys])


def text(key: str, head: str, empty: str = "") -> Column:
    return Column(key, head, lambda row: str(row[key]) if row[key] not in (None, "") else empty, numeric=False)


def figure(key: str, head: str, spell: Callable[[Any], str]) -> Column:
    return Column(key, head, lambda row: spell(row[key]))


def known(key: str, head: str, spell: Callable[[Any], str]) -> Column:
    """Make a column of a figure that some rows, or some experiments, do not have."""
    return Column(key, head, lambda row: "" if row[key] is None else spell(row[key]), optional=True)


def interval(prefix: str = "", head: str = "95 % interval", decimals: int | None = None) -> Column:
    """Make a column of an interval in points, from the columns `<prefix>low` and `<prefix>high`."""
    low, high = f"{prefix}low", f"{prefix}high"
    return Column(low, head, lambda row: numbers.interval(row[low], row[high], decimals))


def plain_interval(prefix: str) -> Column:
    """Make a column of an interval of a number without a unit, such as tau."""
    low, high = f"{prefix}low", f"{prefix}high"
    return Column(low, "95 % interval", lambda row: numbers.bracket(row[low], row[high]))


def difference(head: str) -> Column:
    """Make a column of a difference in points, with its sign and the decimals of its interval."""
    return Column(
        "difference",
        head,
        lambda row: numbers.points(row["difference"], numbers.decimals_for(row["low"], row["high"]), sign=True),
    )


def accuracy(key: str, head: str, status: str = "status") -> Column:
    """Make a column of an accuracy in per cent; its status, such as `diverged`, if there is none."""
    return Column(key, head, lambda row: _accuracy(row[key], row[status]))


def _accuracy(value: float | None, status: str) -> str:
    return numbers.points(value) if value is not None or status in ("", "ok") else status


def with_ends(*names: str) -> list[str]:
    """List the columns of figures and of the ends of their intervals."""
    return [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
