"""The constraints of the search beside what the recommended network was predicted to need, and does need."""

import math
from collections.abc import Mapping
from typing import Any

from nas_steps.errors import UserError
from nas_steps.report import numbers
from nas_steps.report.columns import Column, Table, text
from nas_steps.report.records import Cells
from nas_steps.report.results import Results
from nas_steps.spaces.constraints import given

KEYS = ("constraint", "limit", "predicted", "measured", "network", "note")
NAMES = {
    "parameters": "parameters",
    "macs": "MACs of an image",
    "latency_ms": "ms of a forward pass",
    "memory_mb": "MB of memory",
    "file_mb": "MB of the float32 file",
}
HERE = "measured on this machine's CPU"
ELSEWHERE = f"{HERE}; on the device of the table: python run.py --model model.onnx"
RESIDENT = "measured: the process above an idle one, onnxruntime's own about 20 MB included"


def constraints(results: Results) -> Table:
    """One row a constraint; what is not known, such as the cost of a baseline's blocks, stays empty."""
    names = NAMES | ({"macs": "multiply-accumulates of a context"} if results.text else {})
    limits, chosen = given(results.config.search.constraints), results.recommended
    rows: list[Cells] = []
    if limits and chosen is not None and chosen.get("entry"):
        predicted, measured = _predicted(results, chosen), _measured(results, chosen)
        rows = [
            {
                "constraint": what,
                "limit": limit,
                "predicted": predicted.get(what),
                "measured": measured.get(what),
                "network": chosen["entry"],
                "note": _note(results, what),
            }
            for what, limit in limits.items()
        ]
    columns = (
        Column("constraint", "constraint", lambda row: names[row["constraint"]], numeric=False),
        *(
            Column(key, head, lambda row, key=key: _spelled(row[key], row["constraint"]))  # type: ignore[misc]
            for key, head in (("limit", "budget"), ("predicted", "predicted"), ("measured", "measured"))
        ),
        text("network", "network"),
        text("note", "note"),
    )
    return Table("constraints", "The budget, and what the recommended network needs", KEYS, columns, rows)


def _predicted(results: Results, chosen: Mapping[str, Any]) -> dict[str, float]:
    if results.blocks is None or chosen["kind"] == "baseline":
        return {}
    try:
        costs = results.blocks.costs(results.space.parse(str(chosen["architecture"])))
    except UserError:
        return {}  # hand-designed, and in no space
    found = {what: float(getattr(costs, what)) for what in NAMES}
    return {what: value for what, value in found.items() if not math.isnan(value)}


def _measured(results: Results, chosen: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the figures of the trained network, and of its float32 file if it was exported."""
    found: dict[str, float | None] = {what: chosen[what] for what in ("parameters", "macs")}
    file = f"{chosen['entry']}/model.onnx"
    row = next((one for one in results.performance if one["file"] == file), None)
    if row is None:
        return found
    found["file_mb"] = None if row["bytes"] is None else row["bytes"] / 1e6
    section = results.config.search.constraints
    batch = 1 if section is None else section.latency.batch
    if row.get(f"latency_{batch}_ms") is not None:
        found["latency_ms"] = row[f"latency_{batch}_ms"]
        found["memory_mb"] = row[f"memory_{batch}_mb"] - row["memory_idle_mb"]
    return found


def _note(results: Results, what: str) -> str:
    if what == "latency_ms":
        return ELSEWHERE if (results.latency or {}).get("elsewhere") else HERE
    return RESIDENT if what == "memory_mb" else ""


def _spelled(value: float | None, what: str) -> str:
    if what in ("parameters", "macs"):
        return numbers.macs(value)
    return numbers.milliseconds(value)
