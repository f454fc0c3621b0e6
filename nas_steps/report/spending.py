"""The tables of what stages and searches cost."""

from collections.abc import Sequence
from typing import Any

from nas_steps.report import numbers
from nas_steps.report.columns import Column, Table, figure, figures, known, text, texts
from nas_steps.report.records import Cells, JobCost
from nas_steps.report.results import Results
from nas_steps.report.signals import energy, one_training

#: the order in which stages run; any other follows by name
STAGES = ("data", "supernet", "search", "ranking", "retraining", "scaling", "export")


def _times(value: float | None) -> str:
    return numbers.NO_FIGURE if value is None else f"{numbers.ratio(value)} ×"


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
        *figures(numbers.seconds, device_seconds="device time", cpu_seconds="processor time"),
        figure("peak_memory_mb", "largest memory of a job", numbers.megabytes),
        figure("peak_gpu_memory_mb", "largest GPU memory", lambda mb: numbers.megabytes(mb) if mb else "none used"),
        Column("energy_joules", "energy", _energy, numeric=False),
        text("devices", "devices"),
    )
    keys = ("stage", "jobs", "seconds", "device_seconds", "cpu_seconds", "peak_memory_mb", "peak_gpu_memory_mb",
            "energy_joules", "energy_shared", "devices")  # fmt: skip
    return Table("costs", "Cost by stage", keys, columns, rows)


def _sum(stage: str, spent: Sequence[JobCost]) -> dict[str, Any]:
    joules, bound = energy(spent)
    return {
        "stage": stage,
        "jobs": len(spent),
        **{key: sum(getattr(cost, key) for cost in spent) for key in ("seconds", "device_seconds", "cpu_seconds")},
        **{key: max(getattr(cost, key) for cost in spent) for key in ("peak_memory_mb", "peak_gpu_memory_mb")},
        "energy_joules": joules,
        "energy_shared": int(bound),
        "devices": ", ".join(sorted({cost.device for cost in spent if cost.device})),
    }


def _energy(row: Cells) -> str:
    if row["energy_joules"] is None:
        return "not measured by this device"
    return f"{'at most ' if row['energy_shared'] else ''}{row['energy_joules'] / 3600:,.1f} Wh"


def energy_note(results: Results) -> str:
    """Tell why energies are upper bounds; empty if they are none."""
    if not energy(results.costs)[1]:
        return ""
    return (
        "A job's energy is that of its whole device. Jobs that ran at the same time may have shared one, so that their "
        "sum is an upper bound."
    )


def search_costs(results: Results) -> Table:
    """One row a search: its jobs, and what it took without the start of its processes."""
    counted = {f"{one.strategy}-{one.search_seed}": one for one in results.search_costs}
    rows = []
    for one in results.searches:
        spent = [cost for cost in results.costs if cost.search == one.name]
        own = counted.get(one.name)
        training = one_training(results, one.strategy)
        row = {
            "search": one.name,
            "kind": one.kind,
            "jobs": len(spent),
            "job_seconds": sum(cost.seconds for cost in spent) if spent else None,
            "cpu_seconds": sum(cost.cpu_seconds for cost in spent) if spent else None,
            "search_seconds": own and own.search_seconds,
            "ranking_seconds": own and own.ranking_seconds,
            "final_trainings": own.seconds / training if own and own.seconds and training else None,
            "note": own.note if own else "",
        }
        rows.append(row)
    columns = (
        *texts("search", "kind"),
        figure("jobs", "jobs", numbers.count),
        *figures(numbers.seconds, job_seconds="time of all jobs", cpu_seconds="processor time"),
        known("search_seconds", "searching, without starts", numbers.seconds),
        known("ranking_seconds", "ranking its candidates", numbers.seconds),
        known("final_trainings", "both, in final trainings", _times),
        text("note", "note"),
    )
    keys = ("search", "kind", "jobs", "job_seconds", "cpu_seconds", "search_seconds", "ranking_seconds",
            "final_trainings", "note")  # fmt: skip
    return Table("search_costs", "Cost of each search", keys, columns, rows)
