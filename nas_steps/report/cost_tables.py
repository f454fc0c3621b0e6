"""The tables of what was spent: one of the searches, one of all stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nas_steps.report import numbers
from nas_steps.report.columns import Cells, Column, Table, figure, text
from nas_steps.report.records import JobCost
from nas_steps.report.results import Results
from nas_steps.report.signals import one_training

#: the order in which stages run; any other follows by name
STAGES = ("data", "supernet", "search", "ranking", "retraining", "scaling", "export")


def search(results: Results) -> Table:
    """One row a search: its budget, how it went, what it cost."""
    rows = []
    for one in results.searches:
        budget = results.budget["strategies"].get(one.strategy, {})
        spent = [cost for cost in results.costs if cost.search == one.name]
        seconds = sum(cost.seconds for cost in spent) if spent else None
        training = one_training(results, one.strategy)
        rows.append(
            {
                "search": one.name,
                "strategy": one.strategy,
                "kind": one.kind,
                "search_seed": one.seed,
                "evaluations": budget.get("evaluations"),
                "trains_supernet": one.trains_supernet,
                "training_macs_per_image": budget.get("training_macs"),
                "relative_to_random": budget.get("relative"),
                "candidates": one.candidates,
                "without_score": sum(one.failures().values()),
                "jobs": len(spent),
                "seconds": seconds,
                "cpu_seconds": sum(cost.cpu_seconds for cost in spent) if spent else None,
                "final_trainings": seconds / training if seconds is not None and training else None,
            }
        )
    columns = (
        text("search", "search"),
        text("kind", "kind"),
        Column("evaluations", "evaluations", _evaluations),
        figure("training_macs_per_image", "training MACs per image", numbers.macs),
        figure("relative_to_random", "relative to random", numbers.ratio),
        figure("candidates", "candidates passed on", numbers.count),
        figure("without_score", "without a score", numbers.count),
        figure("jobs", "jobs", numbers.count),
        figure("seconds", "time of all jobs", numbers.seconds),
        figure("cpu_seconds", "processor time", numbers.seconds),
        figure("final_trainings", "in final trainings", _times),
    )
    keys = ("search", "strategy", "kind", "search_seed", "evaluations", "training_macs_per_image",
            "relative_to_random", "candidates", "without_score", "jobs", "seconds", "cpu_seconds",
            "final_trainings")  # fmt: skip
    return Table("search", "Searches", keys, columns, rows)


def costs(results: Results) -> Table:
    """One row a stage and a last one for all: jobs, summed times, largest memory."""
    stages = {cost.stage for cost in results.costs}
    rows = []
    for stage in [*(stage for stage in STAGES if stage in stages), *sorted(stages - set(STAGES))]:
        spent = [cost for cost in results.costs if cost.stage == stage]
        rows.append(_sum(stage, spent))
        parts = sorted({cost.part for cost in spent} - {""})
        rows += [_sum(f"{stage}: {part}", [cost for cost in spent if cost.part == part]) for part in parts]
    if rows:
        rows.append(_sum("all stages", results.costs))
    columns = (
        text("stage", "stage"),
        figure("jobs", "jobs", numbers.count),
        figure("seconds", "time of all jobs", numbers.seconds),
        figure("device_seconds", "device time", numbers.seconds),
        figure("cpu_seconds", "processor time", numbers.seconds),
        figure("peak_memory_mb", "largest memory of a job", numbers.megabytes),
        figure("peak_gpu_memory_mb", "largest GPU memory", lambda mb: numbers.megabytes(mb) if mb else "none used"),
        Column("energy_joules", "energy", _energy, numeric=False),
        text("devices", "devices"),
    )
    keys = ("stage", "jobs", "seconds", "device_seconds", "cpu_seconds", "peak_memory_mb", "peak_gpu_memory_mb",
            "energy_joules", "devices")  # fmt: skip
    return Table("costs", "Cost by stage", keys, columns, rows)


def _sum(stage: str, spent: Sequence[JobCost]) -> dict[str, Any]:
    energies = [cost.energy_joules for cost in spent if cost.energy_joules is not None]
    return {
        "stage": stage,
        "jobs": len(spent),
        "seconds": sum(cost.seconds for cost in spent),
        "device_seconds": sum(cost.device_seconds for cost in spent),
        "energy_joules": sum(energies) if energies else None,
        "cpu_seconds": sum(cost.cpu_seconds for cost in spent),
        "peak_memory_mb": max(cost.peak_memory_mb for cost in spent),
        "peak_gpu_memory_mb": max(cost.peak_gpu_memory_mb for cost in spent),
        "devices": ", ".join(sorted({cost.device for cost in spent if cost.device})),
    }


def _energy(row: Cells) -> str:
    joules = row["energy_joules"]
    return "not told by this device" if joules is None else f"{joules / 3600:,.1f} Wh"


def _evaluations(row: Cells) -> str:
    one_supernet = row["evaluations"] is None and row["trains_supernet"]
    return "one supernet" if one_supernet else numbers.count(row["evaluations"])


def _times(value: float | None) -> str:
    return numbers.NO_FIGURE if value is None else f"{numbers.ratio(value)} ×"
