"""Means, intervals and paired comparisons of final trainings. Imports no torch."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from nas_steps.intervals import accuracy_interval
from nas_steps.retraining.comparison import PAIRED, adjust, paired
from nas_steps.training.record import UNNEEDED

#: the record of a training, as in metrics.json
Metrics = Mapping[str, Any]

RETRAINED = (
    "entry", "kind", "seed", "status", "architecture", "parameters", "macs", "valid_accuracy", "test_accuracy",
    "test_loss", "test_images", "train_seconds",
)  # fmt: skip
SUMMARY = (
    "entry", "kind", "strategy", "architecture", "parameters", "macs", "trainings", "diverged", "valid_mean",
    "test_mean", "test_std", "test_low", "test_high", "train_seconds",
)  # fmt: skip
COMPARISONS = ("entry", "strategy", "against", "role", "pairs", *PAIRED[:-1], "p_holm", "note")


def summarise(trainings: Sequence[Metrics]) -> list[dict[str, Any]]:
    """Return a row for each entry, in the order of first appearance. Diverged trainings are counted, not averaged."""
    rows = []
    for name, mine in by_entry(trainings).items():
        ok = sound(mine)
        first = (ok or mine)[0]
        row = {"entry": name, "kind": first["kind"], "strategy": strategy_of(first)}
        row |= {key: first[key] for key in ("architecture", "parameters", "macs")}
        row |= {"trainings": len(ok), "diverged": sum(metrics["status"] == "diverged" for metrics in mine)}
        row |= {f"test_{key}": value for key, value in accuracy_interval(tested(ok)).items()}
        # an accuracy from a table took no time
        rows.append(row | {"valid_mean": mean_of(ok, "valid_accuracy"), "train_seconds": mean_of(ok, "train_seconds")})
    return rows


def compare(trainings: Sequence[Metrics]) -> list[dict[str, Any]]:
    """Compare each searched entry with each other one, paired over seeds; Holm adjusts within a role."""
    entries = by_entry(trainings)
    accuracy = {name: accuracies(mine) for name, mine in entries.items()}
    rows: list[dict[str, Any]] = []
    for name, mine in entries.items():
        for other, theirs in entries.items():
            if mine[0]["kind"] != "searched" or theirs[0]["kind"] == "searched":
                continue
            seeds = sorted(accuracy[name].keys() & accuracy[other].keys())
            head = {"entry": name, "strategy": strategy_of(mine[0]), "against": other, "role": theirs[0]["kind"]}
            statistics = paired([accuracy[name][seed] - accuracy[other][seed] for seed in seeds])
            rows.append({**head, "pairs": len(seeds), **statistics})
    adjust(rows, ["role"], p_value="p_holm")
    return rows


def needed(trainings: Sequence[Metrics]) -> list[Metrics]:
    """Return all trainings but those of entries that turned out not to be needed."""
    return [metrics for metrics in trainings if metrics["status"] != UNNEEDED]


def by_entry(trainings: Sequence[Metrics]) -> dict[str, list[Metrics]]:
    """Group trainings by entry, in the order given."""
    entries: dict[str, list[Metrics]] = {}
    for metrics in trainings:
        entries.setdefault(metrics["entry"], []).append(metrics)
    return entries


def sound(trainings: Sequence[Metrics]) -> list[Metrics]:
    """Return the trainings that neither diverged nor are missing."""
    return [metrics for metrics in trainings if metrics["status"] == "ok"]


def tested(trainings: Sequence[Metrics]) -> list[float]:
    return [metrics["test_accuracy"] for metrics in trainings]


def accuracies(trainings: Sequence[Metrics]) -> dict[int, float]:
    """Return the test accuracy of the sound trainings by seed."""
    return {metrics["seed"]: metrics["test_accuracy"] for metrics in sound(trainings)}


def mean_of(trainings: Sequence[Metrics], key: str) -> float:
    """Return the mean of a figure over the trainings that have it; NaN if none has."""
    values = [metrics[key] for metrics in trainings if metrics[key] is not None]
    return fmean(values) if values else math.nan


def strategy_of(metrics: Metrics) -> str:
    """Return the record's strategy, or `darts` for the entry `darts-0`; empty for an entry without a search seed."""
    if "strategy" in metrics:
        return str(metrics["strategy"])
    return "" if metrics["kind"] in ("baseline", "largest") else metrics["entry"].rpartition("-")[0]
