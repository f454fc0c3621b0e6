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
    "entry", "kind", "strategy", "architecture", "status", "against", "role", "note", "outcome", "failures_outcome",
    "estimator", "pool", "part", "measure", "ceiling_note", "predictor", "reason", "member", "factors",
    "within_budget", "predicted_seconds_note", "warm_start", "base", "scaling", "way", "name", "file",
    "int8_status", "int8_file", "column", "precision", "random", "recipe", "other", "unit", "optimality",
    "word", "why", "source", "skips_each", "claim", "partial_note",
})  # fmt: skip
COUNTS = frozenset({
    "parameters", "macs", "trainings", "diverged", "chance", "seed", "pairs", "k", "architectures", "n", "read",
    "candidates", "step", "epochs", "saved", "chosen", "search_seed", "cells", "channels", "side",
    "activation_bytes", "target_macs", "seeds", "bytes", "images", "opset", "int8_bytes", "threads",
    "repeats_1", "repeats_32", "searches", "against_searches", "matched", "failed", "against_failed", "evaluations",
    "of", "entries", "rows", "best_rows", "partial_n",
    "found", "all_skip", "edges", "published_valid_searches", "published_test_searches",
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
    except ValueError:  # `effect` and `seeds` are numbers in some files and text in others
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
    chance: int | None = None  # sound trainings at chance level
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
    test_metric: float | None = None  # of another metric than accuracy

    @property
    def figure(self) -> float | None:
        """The test figure by the experiment's metric."""
        return self.test_accuracy if self.test_metric is None else self.test_metric


@dataclass(frozen=True, kw_only=True)
class WithInterval:
    """A figure with its interval, its p-value, and why one of them is missing."""

    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Contest(WithInterval):
    """One line of retraining/contests.csv: a strategy's searches minus an opponent, in shares of test accuracy.

    The unit is the search. A line of retraining/recipe_contests.csv also names its `recipe`.
    """

    strategy: str
    against: str
    role: str  # random, uniform, largest or baseline
    searches: int | None = None
    against_searches: int | None = None
    matched: int | None = None  # 1 if the opponent had the same budget, 0 if not, None if that is no question
    difference: float | None = None
    p_holm: float | None = None
    outcome: str = "missing"  # beat, lost, tie, few or missing
    relative_improvement: float | None = None
    ri_low: float | None = None
    ri_high: float | None = None
    failed: int | None = None
    against_failed: int | None = None
    failures_difference: float | None = None
    failures_low: float | None = None
    failures_high: float | None = None
    failures_outcome: str = ""
    recipe: str = ""


@dataclass(frozen=True)
class Comparison(WithInterval):
    """One line of retraining/comparisons.csv: a network minus another, in shares of test accuracy.

    The units are trainings and test images; `seeds` is such as `2 against 2`.
    """

    entry: str
    strategy: str
    against: str
    role: str
    seeds: str = ""
    difference: float | None = None
    p_holm: float | None = None
    outcome: str = "missing"


@dataclass(frozen=True)
class SearchCost:
    """One line of ranking/search_costs.csv: what one search cost, without the start of its processes."""

    strategy: str
    search_seed: int | None = None
    training_macs: float | None = None  # for each image of the training set
    evaluations: int | None = None
    search_seconds: float | None = None
    ranking_seconds: float | None = None  # of the trainings that picked its winner
    note: str = ""

    @property
    def seconds(self) -> float | None:
        """Add the ranking to the search; None if the search was not measured."""
        return None if self.search_seconds is None else self.search_seconds + (self.ranking_seconds or 0.0)


@dataclass(frozen=True)
class Agreement(WithInterval):
    """One line of ranking/agreement.csv: Kendall's tau of a search's score with the ranking's accuracy."""

    strategy: str
    estimator: str = ""
    architectures: int | None = None
    kendall_tau: float | None = None
    spearman: float | None = None
    spearman_macs: float | None = None  # of MACs alone
    lead: float | None = None  # the first less the second
    lead_low: float | None = None
    lead_high: float | None = None
    partial: float | None = None  # Spearman's correlation given MACs
    partial_low: float | None = None
    partial_high: float | None = None
    partial_n: int | None = None
    claim: str = ""  # of given_macs.Claim; empty in files of earlier versions
    partial_note: str = ""


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
    claim: str = ""


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
    predicted: float | None = None
    prediction_rmse: float | None = None
    optimality: str = ""
    mip_gap: float | None = None


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
    unit: str = ""  # search or network: what the effect speaks of


@dataclass(frozen=True)
class Stage:
    """The end of a part of a language model's final training: seconds so far, and its figure on validation text."""

    part: int
    seconds: float
    figure: float


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
    devices: float = 1  # that the job held at once; a part of one if it shared it
    energy_joules: float | None = None
    energy_is_shared: bool = False  # out among the jobs on the card
    began: float | None = None  # Unix time

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
