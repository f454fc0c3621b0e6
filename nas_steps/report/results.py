"""Read the files of one experiment. `docs/reference/reading_results.md` says what files hold."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from nas_steps.config.estimators import SharedWeights, Table, ZeroCost
from nas_steps.config.schema import Config
from nas_steps.config.strategies import Enas, Gradient, Strategy
from nas_steps.errors import UserError
from nas_steps.export.tables import EXPORTS, PERFORMANCE
from nas_steps.provenance.files import read_csv, read_json
from nas_steps.ranking import calibrate
from nas_steps.report import numbers, records
from nas_steps.report.measures import SHARES, Bits, Measure
from nas_steps.report.records import (
    Cells,
    Comparison,
    Contest,
    Effect,
    Entry,
    JobCost,
    Record,
    Search,
    SearchCost,
    Stage,
    Winner,
)
from nas_steps.report.settings import ReportSettings
from nas_steps.scaling.factorial import CELLS
from nas_steps.scaling.family import FAMILY
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.constraints import blocks_of, given
from nas_steps.spaces.costs import CostTable, read_costs
from nas_steps.spaces.declare import declared
from nas_steps.spaces.language.space import LanguageSpace
from nas_steps.spaces.mobile.space import MobileSpace


@dataclass(frozen=True)
class Results:
    """The files of an experiment. A file that the page only shows has rows of `Cells`, every other one records."""

    config: Config
    space: CellSpace | MobileSpace | LanguageSpace = field(kw_only=True)
    meta: Cells | None  # of the prepared data; None if nothing was trained
    budget: Cells
    rungs: tuple[int, ...] = ()  # epochs of each rung of successive halving
    #: how latency was measured, None if it is neither constrained nor an objective; the costs of blocks, if needed
    latency: Cells | None = None
    blocks: CostTable | None = None
    supernets: tuple[Cells, ...] = ()  # statistics of the supernet of each search seed, if supernets score
    searches: tuple[Search, ...] = ()
    agreement: tuple[records.Agreement, ...] = ()
    compared: tuple[records.Compared, ...] = ()  # how scores rank the uniform sample and the whole pool
    sufficiency: tuple[Cells, ...] = ()  # what follows for the shortlist
    calibration: Cells | None = None
    winners: tuple[Winner, ...] = ()
    entries: tuple[Entry, ...] = ()
    trainings: tuple[records.Training, ...] = ()
    comparisons: tuple[Comparison, ...] = ()  # network against network
    contests: tuple[Contest, ...] = ()  # strategy against opponent
    opponents: tuple[Cells, ...] = ()  # of each search within its own budget
    #: in a table, by architecture: its figures, and whether they were measured; how the surrogate was checked
    looked_up: Mapping[str, Cells] = field(default_factory=dict)
    surrogate: tuple[Cells, ...] = ()
    largest: tuple[Cells, ...] = ()  # the networks with the most parameters, by search seed
    search_costs: tuple[SearchCost, ...] = ()
    recommended: Cells | None = None
    recipes: tuple[Cells, ...] = ()
    recipe_contests: tuple[Contest, ...] = ()
    recipe_agreement: tuple[Cells, ...] = ()
    test_files: tuple[str, ...] = ()
    #: of language models, by entry: the parts of each final training that ended well
    curves: Mapping[str, tuple[tuple[Stage, ...], ...]] = field(default_factory=dict)
    chosen: Cells | None = None
    family: tuple[Cells, ...] = ()
    factorial: tuple[Cells, ...] = ()  # empty if there was none
    effects: tuple[Effect, ...] = ()
    exports: tuple[Cells, ...] = ()
    performance: tuple[Cells, ...] = ()
    costs: tuple[JobCost, ...] = ()
    reproduction: tuple[Cells, ...] = ()  # by strategy, beside published figures; empty if there are none
    found: tuple[Cells, ...] = ()

    @property
    def table(self) -> Table | None:
        """The benchmark's table that was searched in, instead of training."""
        estimator = self.config.search.estimator
        return estimator if isinstance(estimator, Table) else None

    @property
    def trains_supernets(self) -> bool:
        """Whether a strategy trains a supernet of its own."""
        return any(isinstance(one, Gradient | Enas) for one in self.config.search.strategies.values())

    @property
    def proxy(self) -> str:
        """The zero-cost proxy that scores are of; empty if they are accuracies."""
        estimator = self.config.search.estimator
        return estimator.proxy if isinstance(estimator, ZeroCost) else ""

    @property
    def text(self) -> bool:
        """Whether the networks are language models."""
        return self.meta is not None and "context" in self.meta

    @cached_property
    def measure(self) -> Measure:
        """How the page spells the figures."""
        return Bits(int(self.meta["context"])) if self.meta is not None and self.text else SHARES

    def matched_by_evaluations(self, strategy: str) -> bool:
        """Say if a strategy's budget is a number of evaluations, which all cost alike: in a table, by shared weights.

        A supernet of the strategy's own is matched in MACs.
        """
        shared = isinstance(self.config.search.estimator, SharedWeights)
        own = isinstance(self.config.search.strategies[strategy], Gradient | Enas)
        return self.table is not None or (shared and not own)

    @property
    def members(self) -> tuple[Entry, ...]:
        """The scaled family as entries of kind `scaled`."""
        keys = ("parameters", "macs", "test_mean", "test_low", "test_high")
        return tuple(Entry(row["member"], "scaled", **{key: row[key] for key in keys}) for row in self.family)

    def spelled_score(self, score: float | None) -> str:
        """Spell a score of sampling strategies as a share if it is an accuracy, as a number if it is a proxy's."""
        return numbers.digits(score) if self.proxy else self.measure.named(score)

    def entry(self, name: str) -> Entry | None:
        """Find the entry called `name`, if it was to be retrained."""
        return next((entry for entry in self.entries if entry.entry == name), None)

    def of_strategy(self, strategy: str) -> tuple[Entry, ...]:
        """List the winners of a strategy's searches that were to be retrained."""
        kinds = ("searched", "random")
        return tuple(entry for entry in self.entries if entry.strategy == strategy and entry.kind in kinds)

    def strategies(self, *, searched: bool) -> list[str]:
        """List the strategies that are not random (`searched`), or the random ones, in the config's order."""
        kinds = self.config.search.strategies
        return [name for name, strategy in kinds.items() if (strategy.kind != "random") == searched]

    def search_seconds(self, strategy: str) -> float | None:
        """Average the seconds of one search of a strategy; None if nothing was measured.

        Trainings that were looked up from another search count, and so does a shared supernet: alone, the search would
        have run them.
        """
        names = {search.name for search in self.searches if search.strategy == strategy}
        spent = [cost.seconds + cost.looked_up_seconds for cost in self.costs if cost.search in names]
        if not spent:
            return None
        config = self.config.search
        shared = isinstance(config.estimator, SharedWeights) and not isinstance(config.strategies[strategy], Gradient)
        supernets = sum(cost.seconds for cost in self.costs if cost.stage == "supernet") if shared else 0.0
        return (sum(spent) + supernets) / len(names)


def load_results(settings: ReportSettings, folder: str | Path, data: str | Path | None) -> Results:
    """Read the folder of an experiment, and the meta.json of its prepared data, if there are some.

    Raises UserError if a file is missing that every experiment has; scaling, export and the sample may be missing.
    """
    folder, config, space = Path(folder), settings.config, declared(settings.space)
    seeds, strategies = range(config.search.seeds), config.search.strategies
    sampled, scaled = config.ranking.uniform > 0, config.scaling.enabled
    # what an earlier config made may still be there
    by_recipes = bool(config.retrain.recipes)
    completed = isinstance(config.search.estimator, Table) and config.search.estimator.missing == "surrogate"
    latency, blocks = None, None
    if settings.latency is not None:
        latency = read_json(_there(folder / "search/latency.json"))
    if latency is not None or (given(config.search.constraints) and not isinstance(config.search.estimator, Table)):
        blocks = read_costs(_there(folder / "search/blocks.csv"), blocks_of(space))
    supernets = seeds if isinstance(config.search.estimator, SharedWeights) else ()
    in_table = isinstance(config.search.estimator, Table)
    factorial = folder / "scaling" if config.scaling.factorial.enabled else None
    ranking, retraining = folder / "ranking", folder / "retraining"
    trainings = _records(_there(retraining / "retrained.csv"), records.Training)
    return Results(
        config=config,
        space=space,
        rungs=settings.rungs,
        meta=None if data is None else read_json(_there(Path(data) / "meta.json")),
        budget=read_json(_there(folder / "search/budget.json")),
        latency=latency,
        blocks=blocks,
        supernets=tuple(read_json(_there(folder / f"supernet/seed-{seed}/statistics.json")) for seed in supernets),
        searches=tuple(
            _search(folder / f"search/{name}-{seed}", name, strategy, seed)
            for name, strategy in strategies.items()
            for seed in seeds
        ),
        agreement=_records(_there(ranking / "agreement.csv"), records.Agreement),
        compared=_records(ranking / "estimators.csv", records.Compared),
        sufficiency=_cells(ranking / "sufficiency.csv", calibrate.COLUMNS) if sampled else (),
        calibration=_json(ranking / "calibration.json") if sampled else None,
        winners=_records(_there(ranking / "winners.csv"), Winner),
        entries=_records(_there(retraining / "summary.csv"), Entry),
        trainings=trainings,
        comparisons=_records(_there(retraining / "comparisons.csv"), Comparison),
        contests=_records(_there(retraining / "contests.csv"), Contest),
        opponents=_cells(ranking / "opponents.csv"),
        looked_up={row["architecture"]: row for row in _cells(ranking / "looked_up.csv")},
        largest=_cells(ranking / "largest.csv"),
        surrogate=_cells(folder / "search/surrogate.csv") if completed else (),
        search_costs=_records(ranking / "search_costs.csv", SearchCost),
        recommended=None if data is None or in_table else _json(folder / "recommended.json"),
        recipes=_cells(retraining / "recipes.csv") if by_recipes else (),
        recipe_contests=_records(retraining / "recipe_contests.csv", Contest) if by_recipes else (),
        recipe_agreement=_cells(retraining / "recipe_agreement.csv") if by_recipes else (),
        test_files=_test_files(retraining),
        curves=_curves(retraining, trainings),
        chosen=_json(folder / "scaling/chosen.json") if scaled else None,
        family=_cells(folder / "scaling/family.csv", FAMILY) if scaled else (),
        factorial=_cells(factorial / "factorial.csv", CELLS) if factorial else (),
        effects=_records(factorial / "effects.csv", Effect) if factorial else (),
        exports=_cells(folder / "export/exports.csv", EXPORTS),
        performance=_cells(folder / "export/performance.csv", PERFORMANCE),
        reproduction=_cells(retraining / "reproduction.csv") if config.report.published else (),
        found=_cells(retraining / "found.csv") if config.report.published else (),
        costs=tuple(_costs(folder, None if data is None else Path(data), set(strategies))),
    )


def _there(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"there is no {path}; run snakemake, which makes it before the report")
    return path


def _records(path: Path, kind: type[Record]) -> tuple[Record, ...]:
    return tuple(records.record(kind, row) for row in read_csv(path)) if path.is_file() else ()


def _cells(path: Path, columns: Iterable[str] | None = None) -> tuple[Cells, ...]:
    """Read the rows of a file, of all columns if none are named; none if there is no such file."""
    if not path.is_file():
        return ()
    return tuple(records.figures_of(row, row if columns is None else columns) for row in read_csv(path))


def _json(path: Path) -> Any:
    return read_json(path) if path.is_file() else None


def _search(folder: Path, name: str, strategy: Strategy, seed: int) -> Search:
    history = _records(folder / "history.csv", records.HistoryRow)
    candidates = folder / "candidates.csv"
    count = len(read_csv(candidates)) if candidates.is_file() else 0
    has_alphas = isinstance(strategy, Gradient)
    return Search(name, strategy.kind, seed, history, count, has_alphas or isinstance(strategy, Enas), has_alphas)


def _test_files(folder: Path) -> tuple[str, ...]:
    """List the test sets of the final trainings, each once."""
    files = [read_json(path).get("test_file") for path in folder.glob("*/metrics.json")]
    parts = [file.values() if isinstance(file, Mapping) else [file] for file in files]
    return tuple(sorted({", ".join(str(part) for part in one if part) for one in parts} - {""}))


def _curves(folder: Path, trainings: Iterable[records.Training]) -> dict[str, tuple[tuple[Stage, ...], ...]]:
    """Read how the sound final trainings of language models went; those of images have no such columns."""
    found: dict[str, tuple[tuple[Stage, ...], ...]] = {}
    for one in trainings:
        path = folder / f"{one.entry}-s{one.seed}" / "history.csv"
        if one.status != "ok" or not path.is_file():
            continue
        rows = read_csv(path)
        if not rows or not {"tokens", "valid_metric", "seconds"} <= rows[0].keys():
            continue
        spent = accumulate(float(row["seconds"]) for row in rows)
        stages = [
            Stage(int(row["epoch"]), seconds, float(row["valid_metric"]))
            for row, seconds in zip(rows, spent, strict=True)
        ]
        found[one.entry] = (*found.get(one.entry, ()), tuple(stages))
    return found


def _costs(folder: Path, data: Path | None, strategies: set[str]) -> list[JobCost]:
    """Read the ledger of all jobs. The cost of preparing the data counts in each experiment that uses them."""
    measured = ("seconds", "cpu_seconds", "peak_memory_mb", "peak_gpu_memory_mb")
    costs = []
    for path in [*([] if data is None else data.glob("cost.json")), *sorted(folder.rglob("*cost.json"))]:
        entry = read_json(path)
        extra = entry.get("extra", {})
        place = path.relative_to(folder).parts if path.is_relative_to(folder) else ()
        search = place[1] if len(place) > 2 and place[0] == "search" else ""
        costs.append(
            JobCost(
                stage=str(entry["stage"]),
                device=str(entry.get("device") or "not told"),
                **{key: float(entry.get(key) or 0.0) for key in measured},
                looked_up_seconds=float(extra.get("looked_up_seconds") or 0.0),
                search=search if search.rpartition("-")[0] in strategies else "",
                part=_part(place),
                devices=int(extra.get("processes") or 1) * float(extra.get("gpu_share", 1)),
                energy_is_shared="gpu_share" in extra,
                energy_joules=entry.get("energy_joules"),
                began=entry.get("began"),
            )
        )
    return costs


def _part(place: tuple[str, ...]) -> str:
    """Name the part of a search that a job belongs to, by the place of its cost file."""
    if not place or place[0] != "search":
        return ""
    for start, part in (("screen", "screening"), ("shard", "evaluation")):
        if place[-1].startswith(start):
            return part
    return "supernet" if place[-1] == "cost.json" and len(place) == 3 else ""
