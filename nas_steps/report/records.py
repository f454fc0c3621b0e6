"""The lines of other stages' CSV files as plain records.

A figure that is missing is None, never NaN: training diverged, nothing was found, or the budget did not allow it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from nas_steps.estimation.estimates import SCREENED
from nas_steps.provenance.files import number

Row = Mapping[str, str]


def figure(cell: str | None) -> float | None:
    """The float in a CSV cell; None where it is empty or no finite number."""
    value = number(cell)
    return value if math.isfinite(value) else None


def whole(cell: str | None) -> int | None:
    """The integer in a CSV cell; None where it is empty."""
    value = figure(cell)
    return None if value is None else round(value)


@dataclass(frozen=True)
class Entry:
    """One line of retraining/summary.csv. Accuracies are shares, MACs are of one image's forward pass."""

    entry: str
    kind: str
    strategy: str = ""
    architecture: str = ""
    parameters: int | None = None
    macs: int | None = None
    trainings: int | None = None
    diverged: int | None = None
    valid_mean: float | None = None
    test_mean: float | None = None
    test_std: float | None = None
    test_low: float | None = None
    test_high: float | None = None
    train_seconds: float | None = None


@dataclass(frozen=True)
class Training:
    """One line of retraining/retrained.csv: one final training."""

    entry: str
    kind: str
    seed: int | None
    status: str
    valid_accuracy: float | None = None
    test_accuracy: float | None = None
    test_images: int | None = None
    train_seconds: float | None = None


@dataclass(frozen=True)
class Comparison:
    """One line of retraining/comparisons.csv: `entry` minus `against`, in shares of test accuracy."""

    entry: str
    strategy: str
    against: str
    role: str
    pairs: int | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_holm: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Contest:
    """One line of retraining/contests.csv: a strategy's winners minus an opponent's, in shares of test accuracy.

    `of` says how several winners count as one: their `mean`, or the `best` of `k` by validation accuracy.
    """

    strategy: str
    against: str
    role: str
    of: str = "mean"
    k: int | None = None
    searches: str = ""
    pairs: int | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    bootstrap_low: float | None = None
    bootstrap_high: float | None = None
    p_flips: float | None = None
    least_p_flips: float | None = None
    spread: float | None = None
    effect: float | None = None
    seeds_needed: float | None = None
    detectable: float | None = None
    p_holm: float | None = None
    p_flips_holm: float | None = None
    searches_low: float | None = None
    searches_high: float | None = None
    searches_p: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Agreement:
    """One line of ranking/agreement.csv: Kendall's tau of a search's score with the ranking's accuracy."""

    strategy: str
    estimator: str = ""
    architectures: int | None = None
    kendall_tau: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Compared:
    """One line of ranking/estimators.csv: one measure of how an estimator's scores agree with the pool's accuracies."""

    estimator: str
    pool: str
    part: str
    measure: str
    k: int | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    p_value: float | None = None
    ceiling: float | None = None
    ceiling_low: float | None = None
    ceiling_high: float | None = None
    halves: float | None = None
    halves_low: float | None = None
    halves_high: float | None = None
    note: str = ""
    ceiling_note: str = ""


@dataclass(frozen=True)
class Foretold:
    """One line of ranking/sufficiency.csv: what training the k best scored costs, by one predictor."""

    predictor: str
    read: int | None = None
    k: int | None = None
    regret: float | None = None
    regret_low: float | None = None
    regret_high: float | None = None
    regret_95: float | None = None
    regret_95_low: float | None = None
    regret_95_high: float | None = None
    holds_top: float | None = None
    holds_top_low: float | None = None
    holds_top_high: float | None = None
    enough: float | None = None
    enough_low: float | None = None
    enough_high: float | None = None
    tau: float | None = None
    candidates: int | None = None


@dataclass(frozen=True)
class HistoryRow:
    """One line of a search's history.csv: an evaluation, or an epoch of DARTS."""

    step: int | None
    architecture: str = ""
    score: float | None = None
    best: float | None = None
    status: str = ""
    reason: str = ""
    epochs: int | None = None
    saved: int | None = None
    parameters: int | None = None
    macs: int | None = None
    entropy: float | None = None
    parameter_free: float | None = None
    parameter_free_reduce: float | None = None
    skips: int | None = None
    discrete_accuracy: float | None = None
    inherited_accuracy: float | None = None
    eigenvalue: float | None = None
    chosen: int | None = None


@dataclass(frozen=True)
class Winner:
    """One line of ranking/winners.csv."""

    entry: str
    kind: str
    strategy: str
    search_seed: int | None = None
    architecture: str = ""
    score: float | None = None


@dataclass(frozen=True)
class Member:
    """One line of scaling/family.csv: a member of the scaled family."""

    member: str
    factors: str = ""
    phi: float | None = None
    depth: float | None = None
    width: float | None = None
    resolution: float | None = None
    cells: int | None = None
    channels: int | None = None
    side: int | None = None
    parameters: int | None = None
    macs: int | None = None
    activation_bytes: int | None = None
    architecture: str = ""
    dropout: float | None = None
    drop_path: float | None = None
    within_budget: str = ""
    trainings: int | None = None
    test_mean: float | None = None
    test_std: float | None = None
    test_low: float | None = None
    test_high: float | None = None
    train_seconds: float | None = None
    predicted_seconds: float | None = None
    predicted_seconds_error: float | None = None
    predicted_seconds_note: str = ""
    warm_start: str = ""
    status: str = ""


@dataclass(frozen=True)
class FactorialCell:
    """One line of scaling/factorial.csv: a base in one way of scaling, over all seeds."""

    base: str
    scaling: str
    architectures: int | None = None
    parameters: int | None = None
    macs: int | None = None
    target_macs: int | None = None
    mismatch: float | None = None
    trainings: int | None = None
    test_mean: float | None = None
    test_std: float | None = None
    test_low: float | None = None
    test_high: float | None = None
    train_seconds: float | None = None
    status: str = ""


@dataclass(frozen=True)
class Effect:
    """One line of scaling/effects.csv, in shares of test accuracy."""

    kind: str
    effect: str
    base: str = ""
    way: str = ""
    seeds: int | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_holm: float | None = None
    share: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Exported:
    """One line of export/exports.csv."""

    name: str
    file: str = ""
    kind: str = ""
    status: str = ""
    seed: int | None = None
    parameters: int | None = None
    macs: int | None = None
    bytes: int | None = None
    images: int | None = None
    largest_difference: float | None = None
    top1_agreement: float | None = None
    test_accuracy: float | None = None
    opset: int | None = None
    int8_status: str = ""
    int8_file: str = ""
    int8_bytes: int | None = None
    int8_valid_loss: float | None = None
    int8_test_accuracy: float | None = None
    int8_test_loss: float | None = None
    int8_test_loss_low: float | None = None
    int8_test_loss_high: float | None = None


@dataclass(frozen=True)
class Performance:
    """One line of export/performance.csv: milliseconds, megabytes."""

    name: str
    file: str
    precision: str
    bytes: int | None = None
    threads: int | None = None
    repeats_1: int | None = None
    latency_1_ms: float | None = None
    latency_1_p25_ms: float | None = None
    latency_1_p75_ms: float | None = None
    repeats_32: int | None = None
    latency_32_ms: float | None = None
    latency_32_p25_ms: float | None = None
    latency_32_p75_ms: float | None = None
    memory_idle_mb: float | None = None
    memory_1_mb: float | None = None
    memory_32_mb: float | None = None


@dataclass(frozen=True)
class JobCost:
    """One cost.json. `search` is the search's name, such as `darts-0`, where the job belongs to one."""

    stage: str
    device: str
    seconds: float
    cpu_seconds: float
    peak_memory_mb: float
    peak_gpu_memory_mb: float
    search: str = ""
    #: of trainings whose results were known from another search
    looked_up_seconds: float = 0.0
    #: of a search's job: evaluation, screening, supernet
    part: str = ""
    #: that the job held at once
    devices: int = 1
    energy_joules: float | None = None

    @property
    def device_seconds(self) -> float:
        return self.devices * self.seconds


@dataclass(frozen=True)
class Search:
    """What one search left: its history, and how many candidates it passed on."""

    strategy: str
    kind: str
    seed: int
    history: tuple[HistoryRow, ...] = ()
    candidates: int = 0

    @property
    def name(self) -> str:
        return f"{self.strategy}-{self.seed}"

    def failures(self) -> dict[str, int]:
        """Steps without a score: status -> how many. What a screen turned down was never to have one."""
        return dict(Counter(step.status for step in self.history if step.status not in ("", "ok", SCREENED)))

    def saved(self) -> tuple[int, int]:
        """Epochs that were trained, and those that extrapolating the curves saved."""
        return sum(step.epochs or 0 for step in self.history), sum(step.saved or 0 for step in self.history)


def record(kind: type[Any], row: Row) -> Any:
    """A record from a CSV row: the field's type says how the cell is read; columns without a field are left."""
    convert: dict[str, Any] = {"int | None": whole, "float | None": figure, "str": lambda cell: cell or ""}
    return kind(**{field.name: convert[str(field.type)](row.get(field.name)) for field in fields(kind)})
