"""The tables of the report: raw rows for the CSV files, and how each cell is spelled on the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from nas_steps.config.strategies import SUPERNET_KINDS
from nas_steps.report import numbers
from nas_steps.report.factorial import reading
from nas_steps.report.gaps import GAPS
from nas_steps.report.gaps import gaps as rows_of_gaps
from nas_steps.report.records import Contest, Entry, JobCost, Performance
from nas_steps.report.results import Results
from nas_steps.report.signals import one_training
from nas_steps.report.verdict import READING, outcome

Cells = Mapping[str, Any]

#: every table's file name, in the order of the page
NAMES = (
    "search",
    "estimators",
    "top",
    "sufficiency",
    "agreement",
    "retrained",
    "contests",
    "comparisons",
    "gaps",
    "family",
    "factorial",
    "effects",
    "exports",
    "performance",
    "costs",
)


@dataclass(frozen=True)
class Column:
    """A column of the page's table: what heads it and how a row's cell reads. `key` is its column in the CSV.

    A column of text, or an `optional` one, is left out where it is empty in all rows.
    """

    key: str
    head: str
    spell: Callable[[Cells], str]
    numeric: bool = True
    optional: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of raw figures under `keys` (the CSV), and the columns that the page shows of them."""

    name: str
    caption: str
    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Cells, ...] = field(default=())

    def spelled(self) -> list[list[str]]:
        """The cells of the page, row by row."""
        return [[column.spell(row) for column in self.columns] for row in self.rows]

    def without_empty(self) -> Table:
        """The same table without columns of text, and optional ones, that are empty in all rows."""
        columns = tuple(
            one for one in self.columns if (one.numeric and not one.optional) or any(map(one.spell, self.rows))
        )
        return Table(self.name, self.caption, self.keys, columns if self.rows else self.columns, self.rows)

    def showing(self, keys: Sequence[str], caption: str) -> Table:
        """The same rows with fewer columns."""
        columns = tuple(column for column in self.columns if column.key in keys)
        return Table(self.name, caption, self.keys, columns, self.rows)


def all_tables(results: Results) -> dict[str, Table]:
    """Every table by its name; one without rows is there too."""
    makers = (
        search,
        estimators,
        top,
        sufficiency,
        agreement,
        retrained,
        contests,
        comparisons,
        gaps,
        family,
        factorial,
        effects,
        exports,
        performance,
        costs,
    )
    return {table.name: table.without_empty() for table in (make(results) for make in makers)}


def text(key: str, head: str, empty: str = "") -> Column:
    return Column(key, head, lambda row: str(row[key]) if row[key] not in (None, "") else empty, numeric=False)


def figure(key: str, head: str, spell: Callable[[Any], str]) -> Column:
    return Column(key, head, lambda row: spell(row[key]))


def _known(key: str, head: str, spell: Callable[[Any], str]) -> Column:
    """A figure of some rows, or of some experiments, alone: a column without any is left out."""
    return Column(key, head, lambda row: "" if row[key] is None else spell(row[key]), optional=True)


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


def agreement(results: Results) -> Table:
    rows = [vars(row) for row in results.agreement]
    columns = (
        text("strategy", "strategy"),
        text("estimator", "estimator", "several"),
        figure("architectures", "architectures", numbers.count),
        figure("kendall_tau", "Kendall's tau", numbers.plain),
        Column("low", "95 % interval", lambda row: _bracket(row["low"], row["high"])),
        figure("p_value", "p", numbers.small),
        text("note", "note"),
    )
    keys = ("strategy", "estimator", "architectures", "kendall_tau", "low", "high", "p_value", "note")
    truth = "accuracy after separate training" if results.table is None else results.table.report
    caption = f"Agreement of the search's score with {truth}"
    return Table("agreement", caption, keys, columns, tuple(rows))


def estimators(results: Results) -> Table:
    """One row for each estimator, pool and part of it: rank correlations beside the noise ceiling."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one in results.compared:
        if one.k is not None:
            continue
        row = found.setdefault(
            (one.estimator, one.pool, one.part),
            {"estimator": one.estimator, "pool": one.pool, "part": one.part, "architectures": one.n},
        )
        row |= {
            f"{one.measure}{end}": value for end, value in (("", one.value), ("_low", one.low), ("_high", one.high))
        }
        if one.measure == "kendall":
            row |= {key: getattr(one, key) for key in ("p_value", *_CEILINGS, "note", "ceiling_note")}
    columns = (
        text("estimator", "score"),
        text("pool", "pool"),
        text("part", "part"),
        figure("architectures", "architectures", numbers.count),
        figure("kendall", "Kendall's tau", numbers.plain),
        Column("kendall_low", "95 % interval", lambda row: _bracket(row["kendall_low"], row["kendall_high"])),
        figure("p_value", "p", numbers.small),
        figure("spearman", "Spearman's rho", numbers.plain),
        Column("spearman_low", "95 % interval", lambda row: _bracket(row["spearman_low"], row["spearman_high"])),
        figure("ceiling", "noise ceiling of tau", numbers.plain),
        Column("ceiling_low", "95 % interval", lambda row: _bracket(row["ceiling_low"], row["ceiling_high"])),
        figure("halves", "tau of two halves of the seeds", numbers.plain),
        text("note", "note"),
    )
    measured = (f"{name}{end}" for name in ("kendall", "spearman") for end in ("", "_low", "_high"))
    keys = ("estimator", "pool", "part", "architectures", *measured, "p_value", *_CEILINGS, "note",
            "ceiling_note")  # fmt: skip
    caption = "How scores rank what was trained: the uniform sample (unbiased) and the whole pool"
    return Table("estimators", caption, keys, columns, tuple(found.values()))


_CEILINGS = ("ceiling", "ceiling_low", "ceiling_high", "halves", "halves_low", "halves_high")


def top(results: Results) -> Table:
    """One row for each estimator, pool and k: what the k best scored are worth."""
    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    for one in results.compared:
        if one.k is None or one.part != "all":
            continue
        row = found.setdefault(
            (one.estimator, one.pool, one.k),
            {"estimator": one.estimator, "pool": one.pool, "k": one.k, "architectures": one.n},
        )
        row |= {
            f"{one.measure}{end}": value for end, value in (("", one.value), ("_low", one.low), ("_high", one.high))
        }
        row["note"] = one.note or row.get("note", "")
    columns = (
        text("estimator", "score"),
        text("pool", "pool"),
        figure("k", "k", numbers.count),
        figure("architectures", "architectures", numbers.count),
        figure("precision", "of them among the k best", numbers.share),
        Column(
            "precision_low",
            "95 % interval",
            lambda row: numbers.interval(row["precision_low"], row["precision_high"], 1),
        ),
        figure("regret", "behind the best, points", lambda value: numbers.points(value, 2)),
        Column("regret_low", "95 % interval", lambda row: numbers.interval(row["regret_low"], row["regret_high"], 2)),
        text("note", "note"),
    )
    measured = (f"{name}{end}" for name in ("precision", "regret") for end in ("", "_low", "_high"))
    keys = ("estimator", "pool", "k", "architectures", *measured, "note")
    return Table("top", "What training the k best scored finds", keys, columns, tuple(found.values()))


def sufficiency(results: Results) -> Table:
    """One row for each predictor and k: what training the k best scored of a search's candidates costs."""
    rows = [vars(row) for row in results.foretold]
    columns = (
        Column("predictor", "foretold by", lambda row: f"{row['predictor']}{', read' if row['read'] else ''}", False),
        figure("k", "k", numbers.count),
        figure("regret", "behind the best, points, mean", lambda value: numbers.points(value, 2)),
        Column("regret_low", "95 % interval", lambda row: numbers.interval(row["regret_low"], row["regret_high"], 2)),
        figure("regret_95", "not exceeded in 95 %", lambda value: numbers.points(value, 2)),
        Column(
            "regret_95_low",
            "95 % interval",
            lambda row: numbers.interval(row["regret_95_low"], row["regret_95_high"], 2),
        ),
        figure("holds_top", "holds one of the best 1 %", numbers.share),
        Column(
            "holds_top_low",
            "95 % interval",
            lambda row: numbers.interval(row["holds_top_low"], row["holds_top_high"], 1),
        ),
    )
    names = ("regret", "regret_95", "holds_top", "enough")
    keys = ("predictor", "read", "k", *(f"{name}{end}" for name in names for end in ("", "_low", "_high")), "tau",
            "candidates")  # fmt: skip
    told = results.calibration or {}
    among = f"the best of {told['candidates']} candidates" if told.get("candidates") else "the candidates"
    return Table("sufficiency", f"Is the score enough? Training the k best scored against {among}", keys, columns,
                 tuple(rows))  # fmt: skip


def retrained(results: Results) -> Table:
    """One row an entry, with one column a training seed; best mean test accuracy first."""
    seeds = sorted({one.seed for one in results.trainings if one.seed is not None})
    trainings = {(one.entry, one.seed): one for one in results.trainings}
    rows = []
    for entry in sorted(
        results.entries, key=lambda one: -1.0 if one.test_mean is None else one.test_mean, reverse=True
    ):
        row: dict[str, Any] = vars(entry).copy()
        for seed in seeds:
            one = trainings.get((entry.entry, seed))
            row[f"test_seed_{seed}"] = one.test_accuracy if one else None
            row[f"status_seed_{seed}"] = one.status if one else "not trained"
        rows.append(row)
    columns = (
        text("entry", "entry"),
        text("kind", "kind"),
        figure("parameters", "parameters", numbers.count),
        figure("macs", "MACs", numbers.macs),
        figure("test_mean", "test mean", numbers.points),
        figure("test_std", "std", lambda value: numbers.points(value, 2)),
        Column("test_low", "95 % interval", lambda row: numbers.interval(row["test_low"], row["test_high"])),
        figure("valid_mean", "valid mean", numbers.points),
        *(_seed_column(seed) for seed in seeds),
        figure("train_seconds", "one training", numbers.seconds),
    )
    keys = ("entry", "kind", "strategy", "architecture", "parameters", "macs", "trainings", "diverged",
            *(f"{what}_seed_{seed}" for seed in seeds for what in ("test", "status")),
            "test_mean", "test_std", "test_low", "test_high", "valid_mean", "train_seconds")  # fmt: skip
    what = "Final trainings: accuracy" if results.table is None else f"{results.table.report} of the winners"
    return Table("retrained", f"{what} in per cent, best test mean first", keys, columns, tuple(rows))


def contests(results: Results) -> Table:
    """One row for each strategy, opponent and way to take several winners as one."""
    rows = [vars(row) | {"reading": READING[outcome(row)]} for row in results.contests]
    columns = (
        text("strategy", "strategy"),
        text("reading", "reading"),
        text("against", "against"),
        Column("of", "winners", lambda row: _of(row), numeric=False),
        text("searches", "searches"),
        figure("pairs", "paired seeds", numbers.count),
        Column("difference", "difference, points", _signed_points),
        Column("low", "95 % interval, points", lambda row: numbers.interval(row["low"], row["high"])),
        Column("bootstrap_low", "bootstrap", lambda row: numbers.interval(row["bootstrap_low"], row["bootstrap_high"])),
        figure("effect", "effect, std", numbers.plain),
        figure("p_holm", "p, Holm", numbers.small),
        figure("p_flips_holm", "permutation p, Holm", numbers.small),
        figure("detectable", "detectable, points", numbers.points),
        figure("seeds_needed", "seeds needed", numbers.count),
        text("note", "note"),
    )
    keys = (*(field.name for field in fields(Contest)), "reading")
    caption = "Strategies as a whole, paired over training seeds: what the verdict rests on"
    return Table("contests", caption, keys, columns, tuple(rows))


def gaps(results: Results) -> Table:
    """One row a search by alphas: validation accuracy on the way from the supernet to the trained network."""
    columns = (
        text("search", "search"),
        figure("epoch", "epoch", numbers.count),
        figure("mixed", "supernet", numbers.share),
        figure("inherited", "argmax, inherited", numbers.share),
        figure("re_estimated", "statistics re-estimated", numbers.share),
        figure("retrained", "retrained", numbers.share),
        text("same_architecture", "winner is the argmax"),
        figure("parameter_free", "without weights", lambda value: numbers.share(value, 0)),
        Column("collapsed_from", "collapsed from epoch", lambda row: numbers.count(row["collapsed_from"])
               if row["collapsed_from"] is not None else "not", numeric=False),
        figure("entropy_first", "entropy, first epoch", numbers.plain),
        figure("entropy", "entropy", numbers.plain),
    )  # fmt: skip
    caption = "The discretisation gap, in validation accuracy, and the collapse monitor"
    return Table("gaps", caption, GAPS, columns, tuple(rows_of_gaps(results)))


def comparisons(results: Results) -> Table:
    rows = [vars(row) | {"reading": READING[outcome(row)]} for row in results.comparisons]
    columns = (
        text("entry", "entry"),
        text("reading", "reading"),
        text("against", "against"),
        text("role", "role"),
        figure("pairs", "paired seeds", numbers.count),
        Column(
            "difference",
            "difference, points",
            lambda row: numbers.points(row["difference"], numbers.decimals_for(row["low"], row["high"]), sign=True),
        ),
        Column("low", "95 % interval, points", lambda row: numbers.interval(row["low"], row["high"])),
        figure("p_value", "p", numbers.small),
        figure("p_holm", "p, Holm", numbers.small),
        text("note", "note"),
    )
    keys = ("entry", "strategy", "against", "role", "pairs", "difference", "low", "high", "p_value", "p_holm",
            "reading", "note")  # fmt: skip
    caption = "Searched networks against all others, paired over training seeds"
    return Table("comparisons", caption, keys, columns, tuple(rows))


def family(results: Results) -> Table:
    rows = [vars(row) for row in results.family or ()]
    columns = (
        text("member", "member"),
        text("factors", "factors"),
        _known("phi", "φ", lambda value: numbers.plain(value, 0)),
        figure("depth", "depth", numbers.plain),
        figure("width", "width", numbers.plain),
        figure("resolution", "resolution", numbers.plain),
        _known("cells", "cells", numbers.count),
        _known("channels", "channels", numbers.count),
        figure("side", "side, px", numbers.count),
        _known("dropout", "dropout", numbers.plain),
        _known("drop_path", "drop path", lambda value: numbers.plain(value) if value else ""),
        figure("parameters", "parameters", numbers.count),
        figure("macs", "MACs", numbers.macs),
        _known("activation_bytes", "activations", numbers.size),
        Column("test_mean", "test mean", lambda row: _figure_or_status(row["test_mean"], row["status"])),
        Column("test_low", "95 % interval", _interval_or_nothing),
        figure("trainings", "trainings", lambda value: numbers.count(value or 0)),
        _known("train_seconds", "one training", numbers.seconds),
        _known("predicted_seconds", "predicted", numbers.seconds),
        text("warm_start", "started from"),
    )
    keys = ("member", "factors", "phi", "depth", "width", "resolution", "cells", "channels", "side", "architecture",
            "dropout", "drop_path", "parameters", "macs", "activation_bytes", "within_budget", "trainings", "test_mean",
            "test_std", "test_low", "test_high", "train_seconds", "predicted_seconds", "predicted_seconds_error",
            "predicted_seconds_note", "warm_start", "status")  # fmt: skip
    return Table("family", "The scaled family, accuracy in per cent", keys, columns, tuple(rows))


def factorial(results: Results) -> Table:
    """One row a cell: a base in one way of scaling."""
    rows = [vars(row) for row in results.factorial or ()]
    columns = (
        text("base", "base"),
        text("scaling", "scaling"),
        figure("parameters", "parameters", numbers.count),
        figure("macs", "MACs", numbers.macs),
        figure("mismatch", "off the target", lambda value: f"{numbers.points(value, sign=True)} %"),
        Column("test_mean", "test mean", lambda row: _figure_or_status(row["test_mean"], row["status"])),
        Column("test_low", "95 % interval", _interval_or_nothing),
        figure("trainings", "trainings", lambda value: numbers.count(value or 0)),
        figure("train_seconds", "one training", numbers.seconds),
    )
    keys = ("base", "scaling", "architectures", "parameters", "macs", "target_macs", "mismatch", "trainings",
            "test_mean", "test_std", "test_low", "test_high", "train_seconds", "status")  # fmt: skip
    caption = "Every base in every way of scaling, at matched MACs; accuracy in per cent"
    return Table("factorial", caption, keys, columns, tuple(rows))


def effects(results: Results) -> Table:
    """One row an effect of search, of scaling, or of both."""
    rows = [vars(row) | {"reading": reading(row)} for row in results.effects or ()]
    columns = (
        text("kind", "effect of"),
        Column("effect", "effect", _named_effect, numeric=False),
        text("reading", "reading"),
        figure("seeds", "paired seeds", numbers.count),
        Column(
            "difference",
            "points",
            lambda row: numbers.points(row["difference"], numbers.decimals_for(row["low"], row["high"]), sign=True),
        ),
        Column("low", "95 % interval, points", lambda row: numbers.interval(row["low"], row["high"])),
        figure("p_value", "p", numbers.small),
        figure("p_holm", "p, Holm", numbers.small),
        _known("share", "of the gain", lambda value: numbers.share(value, 0)),
        text("note", "note"),
    )
    keys = ("kind", "effect", "base", "way", "seeds", "difference", "low", "high", "p_value", "p_holm", "share",
            "reading", "note")  # fmt: skip
    caption = "What search and scaling each bring, paired over seeds"
    return Table("effects", caption, keys, columns, tuple(rows))


def exports(results: Results) -> Table:
    rows = [vars(row) for row in results.exports]
    columns: tuple[Column, ...] = (
        text("file", "file", "no file"),
        text("name", "network"),
        text("kind", "kind"),
        text("status", "check"),
        figure("bytes", "size", numbers.size),
        figure("largest_difference", "largest difference of logits", numbers.scientific),
        figure("top1_agreement", "same top class", numbers.share),
        figure("test_accuracy", "test accuracy", numbers.share),
        text("int8_status", "INT8 file"),
        figure("int8_bytes", "INT8 size", numbers.size),
        figure("int8_test_accuracy", "INT8 test accuracy", numbers.share),
        Column(
            "int8_test_loss",
            "points lost by INT8 on test (95 %)",
            lambda row: _mean_and_interval(
                row["int8_test_loss"], row["int8_test_loss_low"], row["int8_test_loss_high"]
            ),
        ),
    )
    columns = tuple(
        one for one in columns if not one.key.startswith("int8_") or any(row["int8_status"] for row in rows)
    )
    keys = ("name", "file", "kind", "status", "seed", "parameters", "macs", "bytes", "images",
            "largest_difference", "top1_agreement", "test_accuracy", "opset", "int8_status", "int8_file", "int8_bytes",
            "int8_valid_loss", "int8_test_accuracy", "int8_test_loss", "int8_test_loss_low",
            "int8_test_loss_high")  # fmt: skip
    return Table("exports", "ONNX files, checked in onnxruntime against torch", keys, columns, tuple(rows))


def performance(results: Results) -> Table:
    """One row an ONNX file: how fast it is, and what memory it takes."""
    of_float = {row.name: row for row in results.performance if row.precision == "float32"}
    rows = []
    for row in results.performance:
        base = of_float.get(row.name)
        times = {
            f"times_{batch}": None if base is None or row is base else _speedup(base, row, batch) for batch in (1, 32)
        }
        rows.append({**vars(row), **times})
    columns = (
        text("file", "file"),
        text("precision", "precision"),
        figure("bytes", "size", numbers.size),
        Column("latency_1_ms", "one image, ms (quartiles)", lambda row: _latency(row, 1)),
        Column("latency_32_ms", "32 images, ms (quartiles)", lambda row: _latency(row, 32)),
        Column("times_1", "one image, times as fast as float32", lambda row: _faster(row["times_1"])),
        Column("times_32", "32 images, times as fast", lambda row: _faster(row["times_32"])),
        figure("memory_idle_mb", "memory before loading", numbers.megabytes),
        figure("memory_1_mb", "with one image", numbers.megabytes),
        figure("memory_32_mb", "with 32 images", numbers.megabytes),
        figure("threads", "threads", numbers.count),
    )
    keys = ("name", "file", "precision", "bytes", "threads", "repeats_1", "latency_1_ms", "latency_1_p25_ms",
            "latency_1_p75_ms", "repeats_32", "latency_32_ms", "latency_32_p25_ms", "latency_32_p75_ms", "times_1",
            "times_32", "memory_idle_mb", "memory_1_mb", "memory_32_mb")  # fmt: skip
    return Table("performance", "Speed and memory of the ONNX files, on this machine's CPU", keys, columns, tuple(rows))


def _speedup(base: Performance, row: Performance, batch: int) -> float | None:
    """How many times as fast as the float32 file an INT8 file is."""
    before, after = getattr(base, f"latency_{batch}_ms"), getattr(row, f"latency_{batch}_ms")
    return before / after if before and after else None


def _latency(row: Cells, batch: int) -> str:
    """`1.23 (1.20 to 1.31)`, in milliseconds."""
    cells = [row[f"latency_{batch}_{name}"] for name in ("ms", "p25_ms", "p75_ms")]
    if None in cells:
        return numbers.NO_FIGURE
    median, low, high = (f"{cell:.3g}" if cell < 1000 else f"{cell:,.0f}" for cell in cells)
    return f"{median} ({low} to {high})"


def _faster(times: float | None) -> str:
    """`1.42`, and `0.55 (slower)`; nothing for the float32 file itself."""
    if times is None:
        return ""
    return numbers.ratio(times) if times >= 1 else f"{numbers.ratio(times)} (slower)"


def _mean_and_interval(value: float | None, low: float | None, high: float | None) -> str:
    """`0.4 (-0.1 to 0.9)`, in points."""
    if value is None:
        return numbers.NO_FIGURE
    return f"{numbers.points(value)} ({numbers.interval(low, high)})"


#: the order in which stages run; any other follows by name
STAGES = ("data", "supernet", "search", "ranking", "retraining", "scaling", "export")


def costs(results: Results) -> Table:
    """One row a stage and a last one for all: jobs, summed times, largest memory."""
    found = {cost.stage for cost in results.costs}
    order = [stage for stage in STAGES if stage in found] + sorted(found - set(STAGES))
    rows = []
    for stage in order:
        spent = [cost for cost in results.costs if cost.stage == stage]
        rows.append(_sum(stage, spent))
        # a search's parts, where they are told apart
        parts = sorted({cost.part for cost in spent} - {""})
        rows += [_sum(f"{stage}: {part}", [cost for cost in spent if cost.part == part]) for part in parts]
    if rows:
        rows.append(_sum("all stages", list(results.costs)))
    columns = (
        text("stage", "stage"),
        figure("jobs", "jobs", numbers.count),
        figure("seconds", "time of all jobs", numbers.seconds),
        figure("device_seconds", "device time", numbers.seconds),
        figure("cpu_seconds", "processor time", numbers.seconds),
        figure("peak_memory_mb", "largest memory of a job", numbers.megabytes),
        Column(
            "peak_gpu_memory_mb",
            "largest GPU memory",
            lambda row: numbers.megabytes(row["peak_gpu_memory_mb"]) if row["peak_gpu_memory_mb"] else "none used",
        ),
        Column("energy_joules", "energy", _energy, numeric=False),
        text("devices", "devices"),
    )
    keys = ("stage", "jobs", "seconds", "device_seconds", "cpu_seconds", "peak_memory_mb", "peak_gpu_memory_mb",
            "energy_joules", "devices")  # fmt: skip
    return Table("costs", "Cost by stage", keys, columns, tuple(rows))


def best_of_kind(results: Results, kind: str) -> Entry | None:
    """The entry of a kind with the best validation mean (test mean where validation is not known)."""
    known = [entry for entry in results.entries if entry.kind == kind and entry.test_mean is not None]
    with_valid = [entry for entry in known if entry.valid_mean is not None]
    if with_valid:
        return max(with_valid, key=lambda entry: entry.valid_mean or 0.0)
    return max(known, key=lambda entry: entry.test_mean or 0.0, default=None)


def _sum(stage: str, spent: list[JobCost]) -> dict[str, Any]:
    return {
        "stage": stage,
        "jobs": len(spent),
        "seconds": sum(cost.seconds for cost in spent),
        "device_seconds": sum(cost.device_seconds for cost in spent),
        "energy_joules": _total([cost.energy_joules for cost in spent]),
        "cpu_seconds": sum(cost.cpu_seconds for cost in spent),
        "peak_memory_mb": max(cost.peak_memory_mb for cost in spent),
        "peak_gpu_memory_mb": max(cost.peak_gpu_memory_mb for cost in spent),
        "devices": ", ".join(sorted({cost.device for cost in spent})),
    }


def _total(values: list[float | None]) -> float | None:
    """The sum of what was told; None where nothing was."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _energy(row: Cells) -> str:
    value = row["energy_joules"]
    return "not told by this device" if value is None else f"{value / 3600:,.1f} Wh"


def _of(row: Cells) -> str:
    return "mean of all" if row["of"] == "mean" else f"best of {row['k']}, by validation"


def _signed_points(row: Cells) -> str:
    return numbers.points(row["difference"], numbers.decimals_for(row["low"], row["high"]), sign=True)


def _seed_column(seed: int) -> Column:
    def spell(row: Cells) -> str:
        return _figure_or_status(row[f"test_seed_{seed}"], row[f"status_seed_{seed}"])

    return Column(f"test_seed_{seed}", f"seed {seed}", spell)


def _figure_or_status(value: float | None, status: str) -> str:
    if value is not None:
        return numbers.points(value)
    return status if status not in ("", "ok") else numbers.NO_FIGURE


def _interval_or_nothing(row: Cells) -> str:
    return "" if row["test_mean"] is None else numbers.interval(row["test_low"], row["test_high"])


def _named_effect(row: Cells) -> str:
    if row["kind"] != "gain":
        return str(row["effect"]).replace("_", "-")
    over = f"over {row['base']} unscaled".replace("_", "-")
    return f"both, {over}" if row["effect"] == "both" else f"{row['effect']}'s part, {over}"


def _bracket(low: float | None, high: float | None) -> str:
    return "no interval" if low is None or high is None else f"[{numbers.plain(low)}, {numbers.plain(high)}]"


def _evaluations(row: Cells) -> str:
    return (
        "one supernet"
        if row["evaluations"] is None and row["kind"] in SUPERNET_KINDS
        else numbers.count(row["evaluations"])
    )


def _times(value: float | None) -> str:
    return numbers.NO_FIGURE if value is None else f"{numbers.ratio(value)} ×"
