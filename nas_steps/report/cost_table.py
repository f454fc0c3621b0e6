"""The table of costs."""

from __future__ import annotations

from typing import Any

from nas_steps.report import numbers
from nas_steps.report.columns import Cells, Column, Table, figure, text
from nas_steps.report.records import JobCost
from nas_steps.report.results import Results

#: the order in which stages run; any other follows by name
STAGES = ("data", "supernet", "search", "ranking", "retraining", "scaling", "export")


def costs(results: Results) -> Table:
    """One row a stage and a last one for all: jobs, summed times, largest memory."""
    found = {cost.stage for cost in results.costs}
    order = [stage for stage in STAGES if stage in found] + sorted(found - set(STAGES))
    rows = []
    for stage in order:
        spent = [cost for cost in results.costs if cost.stage == stage]
        rows.append(_sum(stage, spent))
        # a search's parts, where they are told apart
        parts = sorted({cost.part for cost in spent} - {""})
        rows += [_sum(f"{stage}: {part}", [cost for cost in spent if cost.part == part]) for part in parts]
    if rows:
        rows.append(_sum("all stages", list(results.costs)))
    columns = (
        text("stage", "stage"),
        figure("jobs", "jobs", numbers.count),
        figure("seconds", "time of all jobs", numbers.seconds),
        figure("device_seconds", "device time", numbers.seconds),
        figure("cpu_seconds", "processor time", numbers.seconds),
        figure("peak_memory_mb", "largest memory of a job", numbers.megabytes),
        Column(
            "peak_gpu_memory_mb",
            "largest GPU memory",
            lambda row: numbers.megabytes(row["peak_gpu_memory_mb"]) if row["peak_gpu_memory_mb"] else "none used",
        ),
        Column("energy_joules", "energy", _energy, numeric=False),
        text("devices", "devices"),
    )
    keys = ("stage", "jobs", "seconds", "device_seconds", "cpu_seconds", "peak_memory_mb", "peak_gpu_memory_mb",
            "energy_joules", "devices")  # fmt: skip
    return Table("costs", "Cost by stage", keys, columns, tuple(rows))


def _sum(stage: str, spent: list[JobCost]) -> dict[str, Any]:
    return {
        "stage": stage,
        "jobs": len(spent),
        "seconds": sum(cost.seconds for cost in spent),
        "device_seconds": sum(cost.device_seconds for cost in spent),
        "energy_joules": _total([cost.energy_joules for cost in spent]),
        "cpu_seconds": sum(cost.cpu_seconds for cost in spent),
        "peak_memory_mb": max(cost.peak_memory_mb for cost in spent),
        "peak_gpu_memory_mb": max(cost.peak_gpu_memory_mb for cost in spent),
        "devices": ", ".join(sorted({cost.device for cost in spent if cost.device})),
    }


def _total(values: list[float | None]) -> float | None:
    """The sum of what was told; None where nothing was."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _energy(row: Cells) -> str:
    value = row["energy_joules"]
    return "not told by this device" if value is None else f"{value / 3600:,.1f} Wh"
