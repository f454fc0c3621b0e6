"""Read what a kit of `nas_steps.latency` measured on another device: `latency.csv`. Imports no torch or NumPy."""

import csv
import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from nas_steps.errors import UserError
from nas_steps.provenance.fingerprint import fingerprint
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.mobile.space import MobileSpace

COLUMNS = ("kind", "name", "value")
KEY = "search.constraints.latency.table"
#: facts of a table that say what was measured
WORDS = {"inputs": "channels", "side": "pixels a side", "classes": "classes", "batch": "images in a pass"}
AGAIN = "make a kit of this experiment by `python -m nas_steps.latency kit`, and run it on the device"


class LatencyTable(NamedTuple):
    """Milliseconds of a device: of an empty `call`, of each block's module by key, of whole networks' architectures.

    `facts` says what was measured, by what and on what.
    """

    facts: dict[str, str]
    call: float
    blocks: dict[str, float]
    networks: list[tuple[str, float]]


def identity(space: CellSpace | MobileSpace, network: Mapping[str, Any]) -> str:
    """Return the fingerprint of a space and, of cells, their skeleton `network` as JSON; names do not count."""
    own = {one.name: repr(getattr(space, one.name)) for one in fields(space) if one.name != "name"}
    return fingerprint([own, dict(network) if isinstance(space, CellSpace) else None])


def read_table(path: str | Path) -> LatencyTable:
    """Read `latency.csv`. Raises UserError if it is damaged or no such table."""
    try:
        with Path(path).open(newline="", encoding="utf-8") as stream:
            rows = list(csv.reader(stream))
    except (UnicodeDecodeError, csv.Error):
        raise UserError(f"{path} is no CSV file of UTF-8 text; give {KEY} the latency.csv that run.py wrote") from None
    if not rows or tuple(rows[0]) != COLUMNS:
        given = ", ".join(rows[0])[:80] if rows else "none"
        problem = f"{path} has the columns {given}, not {', '.join(COLUMNS)}"
        raise UserError(f"{problem}; give {KEY} the latency.csv that the kit's run.py wrote")
    facts: dict[str, str] = {}
    measured: dict[str, list[tuple[str, float]]] = {"call": [], "block": [], "network": []}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) == len(COLUMNS) and row[0] == "fact":
            facts[row[1]] = row[2]
            continue
        value = _milliseconds(row[2]) if len(row) == len(COLUMNS) and row[0] in measured else None
        if value is None:
            spoilt = f"{path}, line {number} is damaged: {','.join(row)[:80]!r}"
            raise UserError(f"{spoilt}; copy latency.csv from the device again")
        measured[row[0]].append((row[1], value))
    count = sum(map(len, measured.values()))
    if facts.get("rows") != str(count) or not all(measured.values()):
        problem = f"it has {count} measurements, and says that it has {facts.get('rows', 'none')}"
        raise UserError(f"{path} is cut off or edited: {problem}; copy latency.csv from the device again")
    return LatencyTable(facts, measured["call"][0][1], dict(measured["block"]), measured["network"])


def refuse_others(path: str | Path, table: LatencyTable, space: str, wanted: Mapping[str, int | None]) -> None:
    """Refuse a table of another space (`identity`), or of other images than `wanted` (None: not known yet).

    Raises UserError.
    """
    if table.facts.get("space") != space:
        raise UserError(f"{KEY}: {path} was measured for another space than this experiment's; {AGAIN}")
    others = [
        f"{table.facts.get(name, 'unknown')} {WORDS[name]}, not {value}"
        for name, value in wanted.items()
        if value is not None and table.facts.get(name) != str(value)
    ]
    if others:
        raise UserError(f"{KEY}: {path} was measured with {' and '.join(others)}; {AGAIN}")


def _milliseconds(text: str) -> float | None:
    """Return a time that can have been measured, else None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
