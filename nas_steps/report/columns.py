"""A table of the report: raw rows for its CSV file, and columns that spell them on the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nas_steps.report.records import Cells


@dataclass(frozen=True)
class Column:
    """A column of the page; `key` is its column in the CSV. If text or `optional`, it is left out if it is empty."""

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


def texts(*keys: str) -> list[Column]:
    """Make columns of text whose heads are their keys."""
    return [text(key, key) for key in keys]


def figure(key: str, head: str, spell: Callable[[Any], str]) -> Column:
    return Column(key, head, lambda row: spell(row[key]))


def figures(spell: Callable[[Any], str], **heads: str) -> list[Column]:
    """Make columns of figures that are spelled alike; `heads` are their heads by key."""
    return [figure(key, head, spell) for key, head in heads.items()]


def known(key: str, head: str, spell: Callable[[Any], str]) -> Column:
    """Make a column of a figure that some rows, or some experiments, do not have."""
    return Column(key, head, lambda row: "" if row[key] is None else spell(row[key]), optional=True)
