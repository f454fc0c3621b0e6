"""Read the files of one experiment into records. `results/README.md` says what each file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_steps.config.estimators import SharedWeights, Table, ZeroCost
from nas_steps.config.schema import Config
from nas_steps.config.strategies import Gradient
from nas_steps.errors import UserError
from nas_steps.provenance.files import read_csv, read_json
from nas_steps.report import numbers
from nas_steps.report.records import (
    Agreement,
    Compared,
    Comparison,
    Contest,
    Effect,
    Entry,
    Exported,
    FactorialCell,
    Foretold,
    HistoryRow,
    JobCost,
    Member,
    Performance,
    Search,
    Training,
    Winner,
    record,
)
from nas_steps.report.settings import ReportSettings
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import CostTable, read_costs
from nas_steps.spaces.declare import declared
from nas_steps.spaces.mobile.space import MobileSpace


@dataclass(frozen=True)
class Results:
    """Everything that the report is made of."""

    config: Config
    #: of the prepared data; None where a table was searched in
    meta: Mapping[str, Any] | None
    budget: Mapping[str, Any]
    #: what search/latency.json tells; None where latency is neither a limit nor an objective
    latency: Mapping[str, Any] | None = None
    #: search/blocks.csv: what the parts of networks take; None as above
    parts: CostTable | None = None
    #: what statistics.json tells of the supernet of each search seed, where they score
    supernets: tuple[Mapping[str, Any], ...] = ()
    searches: tuple[Search, ...] = ()
    agreement: tuple[Agreement, ...] = ()
    #: how scores rank the uniform sample and the whole pool; what that means for the shortlist
    compared: tuple[Compared, ...] = ()
    foretold: tuple[Foretold, ...] = ()
    calibration: Mapping[str, Any] | None = None
    winners: tuple[Winner, ...] = ()
    entries: tuple[Entry, ...] = ()
    trainings: tuple[Training, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    contests: tuple[Contest, ...] = ()
    test_files: tuple[str, ...] = ()
    chosen: Mapping[str, Any] | None = None
    family: tuple[Member, ...] | None = None
    #: None where search and scaling were not told apart
    factorial: tuple[FactorialCell, ...] | None = None
    effects: tuple[Effect, ...] | None = None
    exports: tuple[Exported, ...] = ()
    performance: tuple[Performance, ...] = ()
    costs: tuple[JobCost, ...] = ()
    space: CellSpace | MobileSpace | None = None

    @property
    def table(self) -> Table | None:
        """The benchmark's table that was searched in, in the place of trainings."""
        estimator = self.config.search.estimator
        return estimator if isinstance(estimator, Table) else None

    @property
    def proxy(self) -> str:
        """The zero-cost proxy that scores are of; empty where they are accuracies."""
        estimator = self.config.search.estimator
        return estimator.proxy if isinstance(estimator, ZeroCost) else ""

    def spelled_score(self, score: float | None) -> str:
        """A score of sampling strategies, as the share that an accuracy is or as the number that a proxy is."""
        return numbers.digits(score) if self.proxy else numbers.share(score)

    def entry(self, name: str) -> Entry | None:
        """The entry called `name`, if it was to be retrained."""
        return next((entry for entry in self.entries if entry.entry == name), None)

    def of_strategy(self, strategy: str) -> tuple[Entry, ...]:
        """The winners of a strategy's searches that were to be retrained."""
        own = (entry for entry in self.entries if entry.strategy == strategy)
        return tuple(entry for entry in own if entry.kind in ("searched", "random"))

    def strategies(self, *, searched: bool) -> list[str]:
        """Names of the strategies that are not random (`searched`), or of those that are, in the config's order."""
        kinds = self.config.search.strategies
        return [name for name, strategy in kinds.items() if (strategy.kind != "random") == searched]

    def search_seconds(self, strategy: str) -> float | None:
        """Seconds of one search of a strategy, the mean over its search seeds; None where nothing was measured. What
        was known from another search counts: alone, it would have been trained. So does the supernet that it shares
        with others."""
        names = {search.name for search in self.searches if search.strategy == strategy}
        spent = [cost.seconds + cost.looked_up_seconds for cost in self.costs if cost.search in names]
        if not spent:
            return None
        supernets = 0.0
        if isinstance(self.config.search.estimator, SharedWeights) and not self._gradient(strategy):
            supernets = sum(cost.seconds for cost in self.costs if cost.stage == "supernet")
        return (sum(spent) + supernets) / len(names)

    def _gradient(self, strategy: str) -> bool:
        return isinstance(self.config.search.strategies[strategy], Gradient)


def load_results(settings: ReportSettings, folder: str | Path, data: str | Path | None) -> Results:
    """Read `results/<experiment>` and the meta.json of its prepared data, if there are some.

    Raises UserError where a file that every experiment has is missing. Scaling, export and the uniform sample are
    taken as not done where their files are missing.
    """
    folder, config, space = Path(folder), settings.config, declared(settings.space)
    meta = None if data is None else _required_json(Path(data) / "meta.json")
    family = _optional(folder / "scaling/family.csv", Member)
    chosen = folder / "scaling/chosen.json"
    told_apart = config.scaling.factorial.enabled
    calibration = folder / "ranking/calibration.json"
    sampled = config.ranking.uniform > 0
    return Results(
        config=config,
        space=space,
        meta=meta,
        budget=_required_json(folder / "search/budget.json"),
        latency=None if settings.latency is None else _required_json(folder / "search/latency.json"),
        parts=None if settings.latency is None else _parts(space, folder / "search/blocks.csv"),
        supernets=tuple(
            _required_json(folder / f"supernet/seed-{seed}/statistics.json")
            for seed in range(config.search.seeds)
            if isinstance(config.search.estimator, SharedWeights)
        ),
        searches=tuple(
            _search(folder / "search", name, strategy.kind, seed)
            for name, strategy in config.search.strategies.items()
            for seed in range(config.search.seeds)
        ),
        agreement=_required(folder / "ranking/agreement.csv", Agreement),
        compared=_optional(folder / "ranking/estimators.csv", Compared) or (),
        foretold=(_optional(folder / "ranking/sufficiency.csv", Foretold) if sampled else None) or (),
        calibration=read_json(calibration) if sampled and calibration.is_file() else None,
        winners=_required(folder / "ranking/winners.csv", Winner),
        entries=_required(folder / "retraining/summary.csv", Entry),
        trainings=_required(folder / "retraining/retrained.csv", Training),
        comparisons=_required(folder / "retraining/comparisons.csv", Comparison),
        contests=_required(folder / "retraining/contests.csv", Contest),
        test_files=_test_files(folder / "retraining"),
        chosen=read_json(chosen) if config.scaling.enabled and chosen.is_file() else None,
        family=family if config.scaling.enabled else None,
        factorial=_optional(folder / "scaling/factorial.csv", FactorialCell) if told_apart else None,
        effects=_optional(folder / "scaling/effects.csv", Effect) if told_apart else None,
        exports=_optional(folder / "export/exports.csv", Exported) or (),
        performance=_optional(folder / "export/performance.csv", Performance) or (),
        costs=tuple(_costs(folder, None if data is None else Path(data), set(config.search.strategies))),
    )


def _required(path: Path, kind: type[Any]) -> tuple[Any, ...]:
    rows = _optional(path, kind)
    if rows is None:
        raise UserError(f"there is no {path}; run snakemake, which makes it before the report")
    return rows


def _optional(path: Path, kind: type[Any]) -> tuple[Any, ...] | None:
    return tuple(record(kind, row) for row in read_csv(path)) if path.is_file() else None


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
        history=_optional(place / "history.csv", HistoryRow) or (),
        candidates=len(read_csv(candidates)) if candidates.is_file() else 0,
    )


def _parts(space: CellSpace | MobileSpace, file: Path) -> CostTable:
    if not file.is_file():
        raise UserError(f"{file} is not there: run snakemake, which makes it")
    return read_costs(file, blocks_of(space))


def _test_files(folder: Path) -> tuple[str, ...]:
    """What the final trainings say they read as their test set, each spelling once."""
    found = {str(_test_file(read_json(path))) for path in sorted(folder.glob("*/metrics.json"))}
    return tuple(sorted(found - {"", "None"}))


def _test_file(metrics: Mapping[str, Any]) -> str:
    told = metrics.get("test_file")
    parts = told.values() if isinstance(told, Mapping) else [told]
    return ", ".join(str(part) for part in parts if part)


def _costs(folder: Path, data: Path | None, strategies: set[str]) -> list[JobCost]:
    """The ledger of all jobs. What preparing the data cost counts in each experiment that uses them."""
    found = []
    paths = sorted(folder.rglob("*cost.json"))
    if data is not None:
        paths = [*data.glob("cost.json"), *paths]
    for path in paths:
        told = read_json(path)
        place = path.relative_to(folder).parts if path.is_relative_to(folder) else ()
        search = place[1] if len(place) > 2 and place[0] == "search" else ""
        found.append(
            JobCost(
                stage=str(told["stage"]),
                device=str(told.get("device") or "not told"),
                **{key: float(told.get(key) or 0.0) for key in _MEASURED},
                looked_up_seconds=float(told.get("extra", {}).get("looked_up_seconds") or 0.0),
                search=search if search.rpartition("-")[0] in strategies else "",
                part=_part(place),
                devices=int(told.get("extra", {}).get("processes") or 1),
                energy_joules=told.get("energy_joules"),
            )
        )
    return found


def _part(place: tuple[str, ...]) -> str:
    """Which part of its stage a job was, by where it left its cost: a search scores candidates or trains a supernet."""
    if not place or place[0] != "search":
        return ""
    name = place[-1]
    if name.startswith("screen"):
        return "screening"
    if name.startswith("shard"):
        return "evaluation"
    return "supernet" if name == "cost.json" and len(place) == 3 else ""


_MEASURED = ("seconds", "cpu_seconds", "peak_memory_mb", "peak_gpu_memory_mb")
