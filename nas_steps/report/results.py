"""Read the files of one experiment into plain records. `results/README.md` says what each file holds.

A figure that is missing is None, never NaN: training diverged, nothing was found, or the budget did not allow it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from nas_steps.config.schema import Config
from nas_steps.errors import UserError
from nas_steps.provenance.files import number, read_csv, read_json

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
class Step:
    """One line of a search's history.csv: an evaluation, or an epoch of DARTS."""

    step: int | None
    architecture: str = ""
    score: float | None = None
    best: float | None = None
    status: str = ""
    entropy: float | None = None
    parameter_free: float | None = None


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
    phi: float | None = None
    depth: float | None = None
    width: float | None = None
    resolution: float | None = None
    cells: int | None = None
    channels: int | None = None
    side: int | None = None
    parameters: int | None = None
    macs: int | None = None
    within_budget: str = ""
    trainings: int | None = None
    test_mean: float | None = None
    test_std: float | None = None
    test_low: float | None = None
    test_high: float | None = None
    status: str = ""


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


@dataclass(frozen=True)
class Search:
    """What one search left: its history, and how many candidates it passed on."""

    strategy: str
    kind: str
    seed: int
    history: tuple[Step, ...] = ()
    candidates: int = 0

    @property
    def name(self) -> str:
        return f"{self.strategy}-{self.seed}"

    def failures(self) -> dict[str, int]:
        """Steps without a score: status -> how many."""
        return dict(Counter(step.status for step in self.history if step.status not in ("", "ok")))


@dataclass(frozen=True)
class Results:
    """Everything that the report is made of."""

    config: Config
    meta: Mapping[str, Any]
    budget: Mapping[str, Any]
    searches: tuple[Search, ...] = ()
    agreement: tuple[Agreement, ...] = ()
    winners: tuple[Winner, ...] = ()
    entries: tuple[Entry, ...] = ()
    trainings: tuple[Training, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    test_files: tuple[str, ...] = ()
    chosen: Mapping[str, Any] | None = None
    family: tuple[Member, ...] | None = None
    exports: tuple[Exported, ...] = ()
    costs: tuple[JobCost, ...] = ()

    def entry(self, name: str) -> Entry | None:
        """The entry called `name`, if it was to be retrained."""
        return next((entry for entry in self.entries if entry.entry == name), None)

    def of_strategy(self, strategy: str) -> tuple[Entry, ...]:
        """The winners of a strategy's searches that were to be retrained."""
        return tuple(entry for entry in self.entries if entry.strategy == strategy and entry.kind != "baseline")

    def strategies(self, *, searched: bool) -> list[str]:
        """Names of the strategies that are not random (`searched`), or of those that are, in the config's order."""
        kinds = self.config.search.strategies
        return [name for name, strategy in kinds.items() if (strategy.kind != "random") == searched]

    def search_seconds(self, strategy: str) -> float | None:
        """Seconds of one search of a strategy, the mean over its search seeds; None where nothing was measured."""
        names = {search.name for search in self.searches if search.strategy == strategy}
        spent = [cost.seconds for cost in self.costs if cost.search in names]
        return sum(spent) / len(names) if spent else None


def load_results(config: Config, folder: str | Path) -> Results:
    """Read `results/<experiment>`. Raises UserError where a file that every experiment has is missing.

    Scaling and export are taken as not done where their files are missing.
    """
    folder = Path(folder)
    meta, budget = (_required_json(folder / name) for name in ("data/meta.json", "search/budget.json"))
    family = _optional(folder / "scaling/family.csv", Member)
    chosen = folder / "scaling/chosen.json"
    return Results(
        config=config,
        meta=meta,
        budget=budget,
        searches=tuple(
            _search(folder / "search", name, strategy.kind, seed)
            for name, strategy in config.search.strategies.items()
            for seed in range(config.search.seeds)
        ),
        agreement=_required(folder / "ranking/agreement.csv", Agreement),
        winners=_required(folder / "ranking/winners.csv", Winner),
        entries=_required(folder / "retraining/summary.csv", Entry),
        trainings=_required(folder / "retraining/retrained.csv", Training),
        comparisons=_required(folder / "retraining/comparisons.csv", Comparison),
        test_files=_test_files(folder / "retraining"),
        chosen=read_json(chosen) if config.scaling.enabled and chosen.is_file() else None,
        family=family if config.scaling.enabled else None,
        exports=_optional(folder / "export/exports.csv", Exported) or (),
        costs=tuple(_costs(folder, set(config.search.strategies))),
    )


def _record(kind: type[Any], row: Row) -> Any:
    """A record from a CSV row: the field's type says how the cell is read; columns without a field are left."""
    convert: dict[str, Any] = {"int | None": whole, "float | None": figure, "str": lambda cell: cell or ""}
    return kind(**{field.name: convert[str(field.type)](row.get(field.name)) for field in fields(kind)})


def _required(path: Path, kind: type[Any]) -> tuple[Any, ...]:
    rows = _optional(path, kind)
    if rows is None:
        raise UserError(f"there is no {path}; run snakemake, which makes it before the report")
    return rows


def _optional(path: Path, kind: type[Any]) -> tuple[Any, ...] | None:
    return tuple(_record(kind, row) for row in read_csv(path)) if path.is_file() else None


def _required_json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise UserError(f"there is no {path}; run snakemake, which makes it before the report")
    return read_json(path)


def _search(folder: Path, strategy: str, kind: str, seed: int) -> Search:
    place = folder / f"{strategy}-{seed}"
    candidates = place / "candidates.csv"
    return Search(
        strategy=strategy,
        kind=kind,
        seed=seed,
        history=_optional(place / "history.csv", Step) or (),
        candidates=len(read_csv(candidates)) if candidates.is_file() else 0,
    )


def _test_files(folder: Path) -> tuple[str, ...]:
    """What the final trainings say they read as their test set, each spelling once."""
    found = {str(_test_file(read_json(path))) for path in sorted(folder.glob("*/metrics.json"))}
    return tuple(sorted(found - {"", "None"}))


def _test_file(metrics: Mapping[str, Any]) -> str:
    told = metrics.get("test_file")
    parts: Sequence[Any] = (
        list(told.values()) if isinstance(told, Mapping) else told if isinstance(told, list) else [told]
    )
    return ", ".join(str(part) for part in parts if part)


def _costs(folder: Path, strategies: set[str]) -> list[JobCost]:
    found = []
    for path in sorted(folder.rglob("*cost.json")):
        told = read_json(path)
        place = path.relative_to(folder).parts
        search = place[1] if len(place) > 2 and place[0] == "search" else ""
        found.append(
            JobCost(
                stage=str(told["stage"]),
                device=str(told.get("device") or "not told"),
                **{key: float(told.get(key) or 0.0) for key in _MEASURED},
                search=search if search.rpartition("-")[0] in strategies else "",
            )
        )
    return found


_MEASURED = ("seconds", "cpu_seconds", "peak_memory_mb", "peak_gpu_memory_mb")
