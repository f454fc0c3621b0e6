"""The lines of other stages' CSV files, and the files of a search and a job.

A missing figure is None, never NaN. Accuracies are shares, MACs are of one image's forward pass.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from nas_steps.estimation.estimates import SCREENED
from nas_steps.provenance.files import number

#: the columns of text and of whole numbers in all files; every other column holds floats
TEXTS = frozenset({
    "entry", "kind", "strategy", "architecture", "status", "against", "role", "note", "of", "searches",
    "estimator", "pool", "part", "measure", "ceiling_note", "predictor", "reason", "member", "factors",
    "within_budget", "predicted_seconds_note", "warm_start", "base", "scaling", "way", "name", "file",
    "int8_status", "int8_file", "precision",
})  # fmt: skip
COUNTS = frozenset({
    "parameters", "macs", "trainings", "diverged", "seed", "pairs", "k", "architectures", "n", "read",
    "candidates", "step", "epochs", "saved", "chosen", "search_seed", "cells", "channels", "side",
    "activation_bytes", "target_macs", "seeds", "bytes", "images", "opset", "int8_bytes", "threads",
    "repeats_1", "repeats_32",
})  # fmt: skip
Cells = Mapping[str, Any]
Record = TypeVar("Record")


def figures_of(row: Mapping[str, str], columns: Iterable[str]) -> dict[str, Any]:
    """Convert the cells of a CSV row. An empty or missing cell is None, or '' in a column of text."""
    return {column: _figure(column, row.get(column) or "") for column in columns}


def record(kind: type[Record], row: Mapping[str, str]) -> Record:
    """Make a record of a CSV row, without the columns that have no field."""
    return kind(**figures_of(row, [field.name for field in fields(kind)]))  # type: ignore[arg-type]


def _figure(column: str, cell: str) -> str | float | None:
    if column in TEXTS:
        return cell
    try:
        value = number(cell)
    except ValueError:  # an `effect` is a number in one file and a name in another
        return cell
    if not math.isfinite(value):
        return None
    return round(value) if column in COUNTS else value


@dataclass(frozen=True)
class Entry:
    """One line of retraining/summary.csv; of kind `scaled`, a member of scaling/family.csv."""

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
    test_accuracy: float | None = None
    train_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class WithInterval:
    """A figure with its interval, its p-value, and why one of them is missing."""

    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Contest(WithInterval):
    """One line of retraining/contests.csv: a strategy's winners minus an opponent's, in shares of test accuracy.

    `of`: their `mean`, or the `best` of `k` by validation accuracy. A line of comparisons.csv is about one `entry`.
    """

    strategy: str
    against: str
    role: str
    of: str = "mean"
    k: int | None = None
    searches: str = ""
    pairs: int | None = None
    difference: float | None = None
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
    entry: str = ""


@dataclass(frozen=True)
class Agreement(WithInterval):
    """One line of ranking/agreement.csv: Kendall's tau of a search's score with the ranking's accuracy."""

    strategy: str
    estimator: str = ""
    architectures: int | None = None
    kendall_tau: float | None = None


@dataclass(frozen=True)
class Compared(WithInterval):
    """One line of ranking/estimators.csv: how an estimator's scores agree with the pool's accuracies by a measure."""

    estimator: str
    pool: str
    part: str
    measure: str
    k: int | None = None
    value: float | None = None
    n: int | None = None
    ceiling: float | None = None
    ceiling_low: float | None = None
    ceiling_high: float | None = None
    halves: float | None = None
    halves_low: float | None = None
    halves_high: float | None = None
    ceiling_note: str = ""


@dataclass(frozen=True)
class HistoryRow:
    """One line of a search's history.csv: an evaluation, or an epoch of a supernet."""

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
    discrete_accuracy: float | None = None
    inherited_accuracy: float | None = None
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
class Effect(WithInterval):
    """One line of scaling/effects.csv, in shares of test accuracy."""

    kind: str
    effect: str
    base: str = ""
    way: str = ""
    seeds: int | None = None
    difference: float | None = None
    p_holm: float | None = None
    share: float | None = None


@dataclass(frozen=True)
class JobCost:
    """One cost.json. `search` is the search's name, such as `darts-0`, if the job belongs to one."""

    stage: str
    device: str
    seconds: float
    cpu_seconds: float
    peak_memory_mb: float
    peak_gpu_memory_mb: float
    search: str = ""
    looked_up_seconds: float = 0.0  # of trainings whose results were known from another search
    part: str = ""  # of a search's job: evaluation, screening, supernet
    devices: int = 1  # that the job held at once
    energy_joules: float | None = None

    @property
    def device_seconds(self) -> float:
        return self.devices * self.seconds


@dataclass(frozen=True)
class Search:
    """The history of one search, and the number of candidates that it passed on."""

    strategy: str
    kind: str
    seed: int
    history: tuple[HistoryRow, ...] = ()
    candidates: int = 0
    trains_supernet: bool = False  # of its own; each epoch is a row of the history
    has_alphas: bool = False

    @property
    def name(self) -> str:
        return f"{self.strategy}-{self.seed}"

    def failures(self) -> dict[str, int]:
        """Count the evaluations without a score by status; a screened architecture needs none."""
        return dict(Counter(row.status for row in self.history if row.status not in ("", "ok", SCREENED)))
