"""The table of searches and their budgets."""

from __future__ import annotations

from nas_steps.config.strategies import SUPERNET_KINDS
from nas_steps.report import numbers
from nas_steps.report.columns import Cells, Column, Table, figure, text
from nas_steps.report.results import Results
from nas_steps.report.signals import one_training


def search(results: Results) -> Table:
    """One row a search: its budget, how it went, what it cost."""
    rows = []
    for one in results.searches:
        told = results.budget["strategies"].get(one.strategy, {})
        spent = [cost for cost in results.costs if cost.search == one.name]
        seconds = sum(cost.seconds for cost in spent) if spent else None
        training = one_training(results, one.strategy)
        rows.append(
            {
                "search": one.name,
                "strategy": one.strategy,
                "kind": one.kind,
                "search_seed": one.seed,
                "evaluations": told.get("evaluations"),
                "training_macs_per_image": told.get("training_macs"),
                "relative_to_random": told.get("relative"),
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
        Column("final_trainings", "in final trainings", lambda row: _times(row["final_trainings"])),
    )
    keys = ("search", "strategy", "kind", "search_seed", "evaluations", "training_macs_per_image",
            "relative_to_random", "candidates", "without_score", "jobs", "seconds", "cpu_seconds",
            "final_trainings")  # fmt: skip
    return Table("search", "Searches", keys, columns, tuple(rows))


def _evaluations(row: Cells) -> str:
    return (
        "one supernet"
        if row["evaluations"] is None and row["kind"] in SUPERNET_KINDS
        else numbers.count(row["evaluations"])
    )


def _times(value: float | None) -> str:
    return numbers.NO_FIGURE if value is None else f"{numbers.ratio(value)} ×"
