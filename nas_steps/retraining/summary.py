"""Means, intervals and paired comparisons of final trainings. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from scipy import stats

from nas_steps.intervals import accuracy_interval, mean_interval

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
    "difference",
    "low",
    "high",
    "p_value",
    "p_holm",
    "note",
)
#: below this many pairs an interval would be a guess
FEWEST_PAIRS = 3


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
    """Each searched entry against each random entry and each baseline, paired over training seeds.

    `difference` is the mean of the searched entry's test accuracy minus the other's, with a 95 % paired t interval,
    the two-sided p-value of the paired t test and Holm's adjustment over all rows that have one.
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
            if role not in ("random", "baseline"):
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
    for row, adjusted in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_holm"] = adjusted
    return rows


def paired(differences: Sequence[float]) -> dict[str, Any]:
    """Mean difference, its interval and p-value; NaN with a note where they cannot be had."""
    unknown = {"low": math.nan, "high": math.nan, "p_value": math.nan}
    if not differences:
        return {"difference": math.nan, **unknown, "note": "no pair of sound trainings"}
    mean = fmean(differences)
    if len(differences) < FEWEST_PAIRS:
        return {
            "difference": mean,
            **unknown,
            "note": f"{len(differences)} of the {FEWEST_PAIRS} seeds that a claim needs",
        }
    if max(differences) - min(differences) < 1e-12:
        note = "the difference is the same for every seed: its spread cannot be estimated"
        return {"difference": mean, **unknown, "note": note}
    interval = mean_interval(differences)
    p_value = float(stats.ttest_1samp(differences, 0.0).pvalue)
    return {
        "difference": mean,
        "low": interval["low"],
        "high": interval["high"],
        "p_value": p_value,
        "note": "",
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p-values; NaN stays NaN and does not count."""
    known = sorted((value, index) for index, value in enumerate(p_values) if not math.isnan(value))
    adjusted = [math.nan] * len(p_values)
    largest = 0.0
    for rank, (value, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * value))
        adjusted[index] = largest
    return adjusted


def by_entry(trainings: Sequence[Metrics]) -> dict[str, list[Metrics]]:
    """Trainings by entry, in the order given."""
    found: dict[str, list[Metrics]] = {}
    for metrics in trainings:
        found.setdefault(metrics["entry"], []).append(metrics)
    return found


def strategy_of(metrics: Metrics) -> str:
    """`darts` of the entry `darts-0`, where the record does not name it; empty for a baseline."""
    if "strategy" in metrics:
        return str(metrics["strategy"])
    return "" if metrics["kind"] == "baseline" else metrics["entry"].rpartition("-")[0]
