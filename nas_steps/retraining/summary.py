"""Means, intervals and paired comparisons of final trainings. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from nas_steps.intervals import accuracy_interval, holm
from nas_steps.retraining.comparison import PAIRED, paired

Metrics = Mapping[str, Any]

RETRAINED = (
    "entry",
    "kind",
    "seed",
    "status",
    "architecture",
    "parameters",
    "macs",
    "valid_accuracy",
    "test_accuracy",
    "test_loss",
    "test_images",
    "train_seconds",
)
SUMMARY = (
    "entry",
    "kind",
    "strategy",
    "architecture",
    "parameters",
    "macs",
    "trainings",
    "diverged",
    "valid_mean",
    "test_mean",
    "test_std",
    "test_low",
    "test_high",
    "train_seconds",
)
COMPARISONS = (
    "entry",
    "strategy",
    "against",
    "role",
    "pairs",
    *PAIRED[:-1],
    "p_holm",
    "note",
)


def summarise(trainings: Sequence[Metrics]) -> list[dict[str, Any]]:
    """One row for each entry, in the order of first appearance. Diverged trainings are counted, not averaged."""
    rows = []
    for name, mine in by_entry(trainings).items():
        sound = [metrics for metrics in mine if metrics["status"] == "ok"]
        first = sound[0] if sound else mine[0]
        test = accuracy_interval([metrics["test_accuracy"] for metrics in sound])
        valid = [metrics["valid_accuracy"] for metrics in sound if metrics["valid_accuracy"] is not None]
        # what was looked up in a table took none
        seconds = [metrics["train_seconds"] for metrics in sound if metrics["train_seconds"] is not None]
        rows.append(
            {
                "entry": name,
                "kind": first["kind"],
                "strategy": strategy_of(first),
                "architecture": first["architecture"],
                "parameters": first["parameters"],
                "macs": first["macs"],
                "trainings": len(sound),
                "diverged": sum(metrics["status"] == "diverged" for metrics in mine),
                "valid_mean": fmean(valid) if valid else math.nan,
                "test_mean": test["mean"],
                "test_std": test["std"],
                "test_low": test["low"],
                "test_high": test["high"],
                "train_seconds": fmean(seconds) if seconds else math.nan,
            }
        )
    return rows


def compare(trainings: Sequence[Metrics]) -> list[dict[str, Any]]:
    """Each searched entry against each entry that is not, paired over training seeds.

    `difference` is the mean of the searched entry's test accuracy minus the other's, with a 95 % paired t interval,
    the two-sided p-value of the paired t test and Holm's adjustment over all rows of the same role; what else is known
    of it is told by `comparison.paired`. Strategies as a whole meet in `contests.contests`.
    """
    entries = by_entry(trainings)
    accuracy = {
        name: {metrics["seed"]: metrics["test_accuracy"] for metrics in mine if metrics["status"] == "ok"}
        for name, mine in entries.items()
    }
    rows = []
    for name, mine in entries.items():
        if mine[0]["kind"] != "searched":
            continue
        for other, theirs in entries.items():
            role = theirs[0]["kind"]
            if role == "searched":
                continue
            seeds = sorted(accuracy[name].keys() & accuracy[other].keys())
            differences = [accuracy[name][seed] - accuracy[other][seed] for seed in seeds]
            rows.append(
                {
                    "entry": name,
                    "strategy": strategy_of(mine[0]),
                    "against": other,
                    "role": role,
                    "pairs": len(differences),
                    **paired(differences),
                }
            )
    for role in {row["role"] for row in rows}:
        among = [row for row in rows if row["role"] == role]
        for row, adjusted in zip(among, holm([row["p_value"] for row in among]), strict=True):
            row["p_holm"] = adjusted
    return rows


def by_entry(trainings: Sequence[Metrics]) -> dict[str, list[Metrics]]:
    """Trainings by entry, in the order given."""
    found: dict[str, list[Metrics]] = {}
    for metrics in trainings:
        found.setdefault(metrics["entry"], []).append(metrics)
    return found


def strategy_of(metrics: Metrics) -> str:
    """`darts` of the entry `darts-0`, where the record does not name it; empty for what has no search seed."""
    if "strategy" in metrics:
        return str(metrics["strategy"])
    return "" if metrics["kind"] in ("baseline", "largest") else metrics["entry"].rpartition("-")[0]
