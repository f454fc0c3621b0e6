"""The tables of the report, in the order of the page; each topic's module has its own: latencies, fronts and gaps."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from nas_steps.export.tables import EXPORTS, PERFORMANCE
from nas_steps.ranking import calibrate, given_macs
from nas_steps.ranking.rank import AGREEMENT
from nas_steps.report import evidence, numbers
from nas_steps.report.columns import Column, Table, figure, figures, known, text, texts
from nas_steps.report.factorial import reading
from nas_steps.report.forest import FOREST, forest_rows
from nas_steps.report.fronts import fronts
from nas_steps.report.gaps import gaps
from nas_steps.report.latencies import latencies
from nas_steps.report.limits import constraints
from nas_steps.report.measures import Measure
from nas_steps.report.names import TABLES
from nas_steps.report.predictions import Tested, confusion, per_class
from nas_steps.report.records import Cells, Compared, Comparison, Contest, JobCost
from nas_steps.report.reproduced import found, reproduction
from nas_steps.report.results import Results
from nas_steps.report.signals import energy, one_training
from nas_steps.report.surrogates import surrogates
from nas_steps.scaling.factorial import CELLS
from nas_steps.scaling.family import FAMILY

#: the order in which stages run; any other follows by name
STAGES = ("data", "supernet", "search", "ranking", "retraining", "scaling", "export")


def _interval(
    spell: Callable[..., str], prefix: str = "", head: str = "95 % interval", decimals: int | None = None
) -> Column:
    """Make a column of an interval, from the columns `<prefix>low` and `<prefix>high`."""
    low, high = f"{prefix}low", f"{prefix}high"
    return Column(low, head, lambda row: spell(row[low], row[high], decimals))


def _correlation(key: str, head: str, prefix: str) -> list[Column]:
    """Make columns of a number without a unit, such as tau, and of its interval: `<prefix>low` and `<prefix>high`."""
    low, high = f"{prefix}low", f"{prefix}high"
    spelled = Column(low, "95 % interval", lambda row: numbers.bracket(row[low], row[high]))
    return [figure(key, head, numbers.plain), spelled]


def _difference(measure: Measure, head: str = "") -> list[Column]:
    """Make columns of a signed difference, with the decimals of its interval, and of that interval."""

    def spell(row: Cells) -> str:
        return measure.difference(row["difference"], measure.decimals(row["low"], row["high"]), sign=True)

    return [
        Column("difference", head or measure.difference_head, spell),
        _interval(measure.interval, "", measure.interval_head),
    ]


def _level(measure: Measure, key: str, head: str, status: str = "status") -> Column:
    """Make a column of a figure without its unit, or of its status, such as `diverged`, if there is none."""

    def spell(row: Cells) -> str:
        absent = row[key] is None and row[status] not in ("", "ok")
        return str(row[status]) if absent else measure.number(row[key])

    return Column(key, head, spell)


def _with_ends(*names: str) -> list[str]:
    """List the columns of figures and of the ends of their intervals."""
    return [f"{name}{end}" for name in names for end in ("", "_low", "_high")]


_CEILINGS = _with_ends("ceiling", "halves")


def _given_macs() -> list[Column]:
    """Make columns of rho's lead over that of MACs, of rho given MACs, and of what is claimed, if measured."""

    def spanned(name: str, head: str) -> Column:
        def spell(row: Cells) -> str:
            if row[name] is None:
                return ""
            ends = "" if row[f"{name}_low"] is None else f" {numbers.bracket(row[f'{name}_low'], row[f'{name}_high'])}"
            return numbers.plain(row[name]) + ends

        return Column(name, head, spell, optional=True)

    return [spanned("lead", "lead over MACs"), spanned("partial", "rho given MACs"), text("claim", "beyond MACs")]


def search(results: Results) -> Table:
    """One row a search: its budget, and how it went."""
    rows = []
    for one in results.searches:
        budget = results.budget["strategies"].get(one.strategy, {})
        row = {
            "search": one.name,
            "strategy": one.strategy,
            "kind": one.kind,
            "search_seed": one.seed,
            "evaluations": budget.get("evaluations"),
            "trains_supernet": one.trains_supernet,
            "training_macs_per_image": budget.get("training_macs"),
            "relative_to_random": budget.get("relative"),
            "candidates": one.candidates,
            "without_score": sum(one.failures().values()),
        }
        rows.append(row)
    columns = (
        *texts("search", "kind"),
        Column("evaluations", "evaluations", _evaluations),
        known("training_macs_per_image", results.measure.training_head, results.measure.training),
        figure("relative_to_random", "relative to random", numbers.ratio),
        *figures(numbers.count, candidates="candidates passed on", without_score="without a score"),
    )
    keys = ("search", "strategy", "kind", "search_seed", "evaluations", "training_macs_per_image",
            "relative_to_random", "candidates", "without_score")  # fmt: skip
    return Table("search", "Searches and their budgets", keys, columns, rows)


def _evaluations(row: Cells) -> str:
    one_supernet = row["evaluations"] is None and row["trains_supernet"]
    return "one supernet" if one_supernet else numbers.count(row["evaluations"])


def _times(value: float | None) -> str:
    return numbers.NO_FIGURE if value is None else f"{numbers.ratio(value)} ×"


def estimators(results: Results) -> Table:
    """One row for each estimator, pool and part of it: rank correlations beside the noise ceiling."""
    compared = [one for one in results.compared if one.measure in ("kendall", "spearman")]
    rows = _joined(compared, "part")
    for one in compared:
        if one.measure == "kendall":
            more = {key: getattr(one, key) for key in ("p_value", *_CEILINGS, "note", "ceiling_note")}
            rows[one.estimator, one.pool, one.part] |= more
    columns = (
        text("estimator", "score"),
        *texts("pool", "part"),
        figure("architectures", "architectures", numbers.count),
        *_correlation("kendall", "Kendall's tau", "kendall_"),
        figure("p_value", "p", numbers.small),
        *_correlation("spearman", "Spearman's rho", "spearman_"),
        *_correlation("ceiling", "noise ceiling of tau", "ceiling_"),
        figure("halves", "tau of two halves of the seeds", numbers.plain),
        text("note", "note"),
    )
    keys = ("estimator", "pool", "part", "architectures", *_with_ends("kendall", "spearman"), "p_value", *_CEILINGS,
            "note", "ceiling_note")  # fmt: skip
    caption = "How scores rank what was trained: the uniform sample (unbiased) and the whole pool"
    return Table("estimators", caption, keys, columns, list(rows.values()))


def beyond_macs(results: Results) -> Table:
    """One row for each estimator, pool and part of it: what it says beyond MACs; none in files of earlier versions."""
    compared = {(one.pool, one.part, one.estimator, one.measure): one for one in results.compared if one.k is None}
    rows = []
    for (pool, part, estimator, measure), one in compared.items():
        if measure == "given_macs":
            plain, alone = (compared[pool, part, name, "spearman"].value for name in (estimator, "MACs"))
            row = {"estimator": estimator, "pool": pool, "part": part, "partial_n": one.n, "spearman": plain}
            row |= {"spearman_macs": alone, "claim": one.claim, "partial_note": one.note}
            for name, found in (("lead", compared[pool, part, estimator, "lead"]), ("partial", one)):
                row |= zip(_with_ends(name), (found.value, found.low, found.high), strict=True)
            rows.append(row)
    columns = (
        text("estimator", "score"),
        *texts("pool", "part"),
        figure("partial_n", "architectures", numbers.count),
        *figures(numbers.plain, spearman="Spearman's rho", spearman_macs="of MACs alone"),
        *_given_macs(),
        text("partial_note", "note"),
    )
    keys = ("estimator", "pool", "part", *given_macs.COLUMNS)
    return Table("beyond_macs", "Does a score say more than MACs alone?", keys, columns, rows)


def top(results: Results) -> Table:
    """One row for each estimator, pool and k: what the k best scored are worth."""
    measure = results.measure
    compared = [one for one in results.compared if one.k is not None and one.part == "all"]
    rows = _joined(compared, "k")
    for one in compared:
        row = rows[one.estimator, one.pool, one.k]
        row["note"] = one.note or row.get("note", "")
    columns = (
        text("estimator", "score"),
        text("pool", "pool"),
        *figures(numbers.count, k="k", architectures="architectures"),
        figure("precision", "of them among the k best", numbers.share),
        _interval(numbers.interval, "precision_", "of other pools, 95 %", 1),
        figure("regret", f"behind the best, {measure.unit}", measure.fine),
        _interval(measure.interval, "regret_", "of other pools, 95 %", measure.fine_decimals),
        text("note", "note"),
    )
    keys = ("estimator", "pool", "k", "architectures", *_with_ends("precision", "regret"), "note")
    return Table("top", "What training the k best scored finds", keys, columns, list(rows.values()))


def _joined(compared: Iterable[Compared], key: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Join the measures of each estimator, pool and `key` (`part` or `k`) into one row."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in compared:
        head = {"estimator": one.estimator, "pool": one.pool, key: getattr(one, key)}
        row = rows.setdefault(tuple(head.values()), {**head, "architectures": one.n})
        row |= zip(_with_ends(one.measure), (one.value, one.low, one.high), strict=True)
    return rows


def sufficiency(results: Results) -> Table:
    """One row for each predictor, k and number of seeds: what training the k best scored candidates costs."""
    measure = results.measure
    columns = (
        Column("predictor", "foretold by", lambda row: f"{row['predictor']}{', read' if row['read'] else ''}", False),
        *figures(numbers.count, k="k", seeds="seeds"),
        figure("regret", f"behind the best, {measure.unit}, mean", measure.fine),
        _interval(measure.interval, "regret_", decimals=measure.fine_decimals),
        figure("regret_95", "not exceeded in 95 %", measure.fine),
        _interval(measure.interval, "regret_95_", decimals=measure.fine_decimals),
        figure("holds_top", "holds one of the best 1 %", numbers.share),
        _interval(numbers.interval, "holds_top_", decimals=1),
    )
    candidates = (results.calibration or {}).get("candidates")
    among = f"the best of {candidates} candidates" if candidates else "the candidates"
    caption = f"Is the score enough? Training the k best scored against {among}"
    return Table("sufficiency", caption, calibrate.COLUMNS, columns, results.sufficiency)


def agreement(results: Results) -> Table:
    """One row a strategy, and one for all: how the search's score ranks what was trained."""
    columns = (
        text("strategy", "strategy"),
        text("estimator", "estimator", "several"),
        figure("architectures", "architectures", numbers.count),
        *_correlation("kendall_tau", "Kendall's tau", ""),
        figure("p_value", "p", numbers.small),
        *_given_macs(),
        text("note", "note"),
    )
    truth = "accuracy after separate training" if results.table is None else results.table.report
    caption = f"Agreement of the search's score with {truth}"
    return Table("agreement", caption, AGREEMENT, columns, list(map(vars, results.agreement)))


def retrained(results: Results) -> Table:
    """One row an entry, with one column a training seed; best mean test accuracy first."""
    measure = results.measure
    seeds = sorted({one.seed for one in results.trainings if one.seed is not None})
    trainings = {(one.entry, one.seed): one for one in results.trainings}
    rows: list[dict[str, Any]] = []
    for entry in sorted(results.entries, key=lambda one: math.inf if one.test_mean is None else -one.test_mean):
        rows.append(vars(entry).copy())
        for seed in seeds:
            one = trainings.get((entry.entry, seed))
            rows[-1][f"test_seed_{seed}"] = one.figure if one else None
            rows[-1][f"status_seed_{seed}"] = one.status if one else "not trained"
    columns = (
        *texts("entry", "kind"),
        figure("parameters", "parameters", numbers.count),
        figure("macs", measure.cost_head, measure.cost),
        figure("test_mean", "test mean", measure.number),
        figure("test_std", "std", measure.fine),
        _interval(measure.span, "test_"),
        figure("valid_mean", "valid mean", measure.number),
        *(_level(measure, f"test_seed_{seed}", f"seed {seed}", f"status_seed_{seed}") for seed in seeds),
        figure("train_seconds", "one training", numbers.seconds),
    )
    keys = ("entry", "kind", "strategy", "architecture", "parameters", "macs", "trainings", "diverged",
            *(f"{what}_seed_{seed}" for seed in seeds for what in ("test", "status")),
            "test_mean", "test_std", "test_low", "test_high", "valid_mean", "train_seconds")  # fmt: skip
    what = "Final trainings: accuracy" if results.table is None else f"{results.table.report} of the winners"
    return Table("retrained", f"{what}{measure.caption}, best test mean first", keys, columns, rows)


_CONTESTS = ("strategy", "against", "role", "searches", "against_searches", "matched", "difference", "low", "high",
             "p_value", "p_holm", "outcome", "relative_improvement", "ri_low", "ri_high", "failed", "against_failed",
             "failures_difference", "failures_low", "failures_high", "failures_outcome", "note")  # fmt: skip


def _contested(measure: Measure) -> list[Column]:
    return [
        text("reading", "outcome"),
        *texts("against", "role"),
        Column("searches", "n", lambda row: f"{_units(row['searches'])} against {_units(row['against_searches'])}"),
        Column("matched", "same budget", _same_budget, numeric=False),
        *_difference(measure),
        *figures(numbers.small, p_value="p", p_holm="p, Holm"),
        *(_RELATIVE if measure.relative else ()),
        Column("failed", "failed", _failed, optional=True),
        Column("failures_difference", measure.failures_head, partial(_with_failures, measure), optional=True),
        text("note", "note"),
    ]


def _interval_if_known(row: Cells) -> str:
    return "" if row["ri_low"] is None or row["ri_high"] is None else numbers.interval(row["ri_low"], row["ri_high"])


_RELATIVE = (
    known("relative_improvement", "relative improvement", lambda value: f"{numbers.points(value, sign=True)} %"),
    Column("ri_low", "95 % interval, %", _interval_if_known, optional=True),
)


def _units(number: int | None) -> str:
    return "0" if number is None else numbers.count(number)


def _same_budget(row: Cells) -> str:
    return {1: "yes", 0: "no"}.get(row["matched"], "")


def _failed(row: Cells) -> str:
    failed, other = row["failed"], row["against_failed"]
    return f"{failed or 0} against {other or 0}" if failed or other else ""


def _with_failures(measure: Measure, row: Cells) -> str:
    if not _failed(row) or row["failures_difference"] is None:
        return ""
    low, high = row["failures_low"], row["failures_high"]
    difference = measure.difference(row["failures_difference"], sign=True)
    return difference if low is None or high is None else f"{difference} {measure.interval(low, high)}"


def contests(results: Results) -> Table:
    """One row for each strategy and opponent, over searches."""
    columns = (text("strategy", "strategy"), *_contested(results.measure))
    caption = "Strategies against their opponents; n counts searches (networks where no search chose them)"
    return Table("contests", caption, _CONTESTS, columns, _judged(results.contests))


def forest(results: Results) -> Table:
    """One row for each line of the forest plot."""
    columns = (
        text("strategy", "strategy"),
        text("opponent", results.measure.versus),
        Column("searches", "n", lambda row: f"{_units(row['searches'])} against {_units(row['against_searches'])}"),
        Column("matched", "same budget", _same_budget, numeric=False),
        *_difference(results.measure),
        text("standing", "outcome"),
        text("note", "note"),
    )
    return Table("forest", "The lines of the forest plot", FOREST, columns, forest_rows(results))


def opponents(results: Results) -> Table:
    """One row for each search and random search: what the search's own budget buys of random search."""
    columns = (
        Column("strategy", "search", lambda row: f"{row['strategy']}-{row['search_seed']}", numeric=False),
        text("entry", "opponent", "none"),
        Column("evaluations", "evaluations", lambda row: f"{_units(row['evaluations'])} of {_units(row['of'])}"),
        figure("cost", "cost of the search", results.measure.training),
        figure("random_cost", "cost of these evaluations", results.measure.training),
        Column("matched", "same budget", _same_budget, numeric=False),
        text("note", "note"),
    )
    keys = ("strategy", "search_seed", "random", "entry", "evaluations", "of", "cost", "random_cost", "matched", "note")
    caption = (
        f"What each search met: random search within the search's own budget (costs: {results.measure.training_head})"
    )
    return Table("opponents", caption, keys, columns, results.opponents)


def comparisons(results: Results) -> Table:
    """One row for each network and another."""
    columns = (
        text("entry", "network"),
        text("reading", "outcome"),
        *texts("against", "role"),
        text("seeds", "trainings"),
        *_difference(results.measure),
        *figures(numbers.small, p_value="p", p_holm="p, Holm"),
        text("note", "note"),
    )
    keys = ("entry", "strategy", "against", "role", "seeds", "difference", "low", "high", "p_value", "p_holm",
            "outcome", "note")  # fmt: skip
    caption = "Networks against networks, over trainings and test images"
    return Table("comparisons", caption, keys, columns, _judged(results.comparisons))


def _judged(rows: Sequence[Contest | Comparison]) -> list[dict[str, Any]]:
    return [vars(row) | {"reading": evidence.reading(row)} for row in rows]


def recipes(results: Results) -> Table:
    """One row for each recipe of training and network."""
    measure = results.measure
    columns = (
        *texts("recipe", "entry", "kind"),
        *figures(numbers.count, trainings="trainings", diverged="diverged"),
        figure("test_mean", f"test mean{measure.level_head}", measure.number),
        figure("test_std", "std", measure.fine),
        _interval(measure.span, "test_"),
    )
    keys = ("recipe", "entry", "kind", "strategy", "trainings", "diverged", "test_mean", "test_std", "test_low",
            "test_high")  # fmt: skip
    return Table("recipes", "Networks by recipe of training", keys, columns, results.recipes)


def recipe_contests(results: Results) -> Table:
    """One row for each recipe, strategy and opponent."""
    columns = (*texts("recipe", "strategy"), *_contested(results.measure))
    caption = "Strategies against their opponents, by recipe of training"
    return Table("recipe_contests", caption, ("recipe", *_CONTESTS), columns, _judged(results.recipe_contests))


def recipe_agreement(results: Results) -> Table:
    """One row for each pair of recipes: whether they put the networks in the same order."""
    columns = (
        *texts("recipe", "other"),
        figure("entries", "networks", numbers.count),
        *_correlation("kendall_tau", "Kendall's tau", ""),
        figure("p_value", "p", numbers.small),
        text("note", "note"),
    )
    keys = ("recipe", "other", "entries", "kendall_tau", "low", "high", "p_value", "note")
    caption = "Do two recipes of training put the networks in the same order?"
    return Table("recipe_agreement", caption, keys, columns, results.recipe_agreement)


def family(results: Results) -> Table:
    """One row a member of the scaled family."""
    measure = results.measure
    columns = (
        *texts("member", "factors"),
        known("phi", "φ", lambda value: numbers.plain(value, 0)),
        *figures(numbers.plain, depth="depth", width="width", resolution="resolution"),
        known("cells", "cells", numbers.count),
        known("channels", "channels", numbers.count),
        figure("side", "side, px", numbers.count),
        known("dropout", "dropout", numbers.plain),
        known("drop_path", "drop path", lambda value: numbers.plain(value) if value else ""),
        figure("parameters", "parameters", numbers.count),
        figure("macs", measure.cost_head, measure.cost),
        known("activation_bytes", "activations", numbers.size),
        *_tested(measure),
        known("train_seconds", "one training", numbers.seconds),
        known("predicted_seconds", "predicted", numbers.seconds),
        text("warm_start", "started from"),
    )
    keys = [key for key in FAMILY if key != "reductions"]
    return Table("family", f"The scaled family, accuracy{measure.caption}", keys, columns, results.family)


def factorial(results: Results) -> Table:
    """One row a cell: a base in one way of scaling."""
    measure = results.measure
    columns = (
        *texts("base", "scaling"),
        figure("parameters", "parameters", numbers.count),
        figure("macs", measure.cost_head, measure.cost),
        figure("mismatch", "off the target", lambda value: f"{numbers.points(value, sign=True)} %"),
        *_tested(measure),
        figure("train_seconds", "one training", numbers.seconds),
    )
    caption = f"Every base in every way of scaling, at matched MACs; accuracy{measure.caption}"
    return Table("factorial", caption, CELLS, columns, results.factorial)


def _tested(measure: Measure) -> list[Column]:
    def interval(row: Cells) -> str:
        return "" if row["test_mean"] is None else measure.span(row["test_low"], row["test_high"])

    return [
        _level(measure, "test_mean", "test mean"),
        Column("test_low", "95 % interval", interval),
        figure("trainings", "trainings", lambda value: numbers.count(value or 0)),
    ]


def effects(results: Results) -> Table:
    """One row an effect of search, of scaling, or of both."""
    rows = [vars(row) | {"reading": reading(row)} for row in results.effects]
    columns = (
        text("kind", "effect of"),
        Column("effect", "effect", _named_effect, numeric=False),
        text("reading", "reading"),
        figure("seeds", "paired seeds", numbers.count),
        *_difference(results.measure, results.measure.unit),
        *figures(numbers.small, p_value="p", p_holm="p, Holm"),
        known("share", "of the gain", lambda value: numbers.share(value, 0)),
        text("note", "note"),
    )
    keys = ("kind", "effect", "base", "way", "seeds", "difference", "low", "high", "p_value", "p_holm", "share",
            "reading", "note")  # fmt: skip
    return Table("effects", "What search and scaling each bring, paired over seeds", keys, columns, rows)


def _named_effect(row: Cells) -> str:
    if row["kind"] != "gain":
        return str(row["effect"]).replace("_", "-")
    over = f"over {row['base']} unscaled".replace("_", "-")
    return f"both, {over}" if row["effect"] == "both" else f"{row['effect']}'s part, {over}"


def exports(results: Results) -> Table:
    """One row a network: its files, and how they agree with torch."""
    label, right = ("token", "tokens right") if results.text else ("class", "test accuracy")
    columns = [
        text("file", "file", "no file"),
        text("name", "network"),
        text("kind", "kind"),
        text("status", "check"),
        figure("bytes", "size", numbers.size),
        figure("largest_difference", "largest difference of logits", numbers.scientific),
        *figures(numbers.share, top1_agreement=f"same top {label}", test_accuracy=right),
    ]
    if any(row["int8_status"] for row in results.exports):
        columns += [
            text("int8_status", "INT8 file"),
            figure("int8_bytes", "INT8 size", numbers.size),
            figure("int8_test_accuracy", "INT8 test accuracy", numbers.share),
            Column("int8_test_loss", "points lost by INT8 on test (95 %)", _loss),
        ]
    if any(row.get("formats") for row in results.exports):
        columns.append(text("formats", "other formats"))
    return Table("exports", "ONNX files, checked in onnxruntime against torch", EXPORTS, columns, results.exports)


def _loss(row: Cells) -> str:
    """`0.4 [-0.1, 0.9]`, in points."""
    loss, low, high = (row[key] for key in _with_ends("int8_test_loss"))
    return numbers.NO_FIGURE if loss is None else f"{numbers.points(loss)} {numbers.interval(low, high)}"


def performance(results: Results) -> Table:
    """One row an ONNX file: how fast it is, and what memory it takes."""
    one, many = results.measure.timed
    floats = {row["name"]: row for row in results.performance if row["precision"] == "float32"}
    rows = [
        {**row, **{f"times_{batch}": _speedup(floats.get(row["name"]), row, batch) for batch in (1, 32)}}
        for row in results.performance
    ]
    columns = (
        *texts("file", "precision"),
        figure("bytes", "size", numbers.size),
        Column("latency_1_ms", f"{one}, ms (quartiles)", lambda row: _latency(row, 1)),
        Column("latency_32_ms", f"{many}, ms (quartiles)", lambda row: _latency(row, 32)),
        *figures(_faster, times_1=f"{one}, times as fast as float32", times_32=f"{many}, times as fast"),
        figure("memory_idle_mb", "memory before loading", numbers.megabytes),
        *figures(numbers.megabytes, memory_1_mb=f"with {one}", memory_32_mb=f"with {many}"),
        figure("threads", "threads", numbers.count),
    )
    place = PERFORMANCE.index("memory_idle_mb")
    keys = (*PERFORMANCE[:place], "times_1", "times_32", *PERFORMANCE[place:])
    return Table("performance", "Speed and memory of the ONNX files, on this machine's CPU", keys, columns, rows)


def _speedup(base: Cells | None, row: Cells, batch: int) -> float | None:
    """Divide the latency of the float32 file by that of an INT8 file; None for the float32 file itself."""
    if base is None or row is base:
        return None
    before, after = base[f"latency_{batch}_ms"], row[f"latency_{batch}_ms"]
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
    return "" if times is None else f"{numbers.ratio(times)}{' (slower)' if times < 1 else ''}"


def costs(results: Results) -> Table:
    """One row a stage and a last one for all: jobs, summed times, largest memory."""
    stages = {cost.stage for cost in results.costs}
    rows = []
    for stage in [*(stage for stage in STAGES if stage in stages), *sorted(stages - set(STAGES))]:
        spent = [cost for cost in results.costs if cost.stage == stage]
        rows.append(_sum(stage, spent))
        parts = sorted({cost.part for cost in spent} - {""})
        rows += [_sum(f"{stage}: {part}", [cost for cost in spent if cost.part == part]) for part in parts]
    if rows:
        rows.append(_sum("all stages", results.costs))
    columns = (
        text("stage", "stage"),
        figure("jobs", "jobs", numbers.count),
        figure("seconds", "time of all jobs", numbers.seconds),
        *figures(numbers.seconds, device_seconds="device time", cpu_seconds="processor time"),
        figure("peak_memory_mb", "largest memory of a job", numbers.megabytes),
        figure("peak_gpu_memory_mb", "largest GPU memory", lambda mb: numbers.megabytes(mb) if mb else "none used"),
        Column("energy_joules", "energy", _energy, numeric=False),
        text("devices", "devices"),
    )
    keys = ("stage", "jobs", "seconds", "device_seconds", "cpu_seconds", "peak_memory_mb", "peak_gpu_memory_mb",
            "energy_joules", "energy_shared", "devices")  # fmt: skip
    return Table("costs", "Cost by stage", keys, columns, rows)


def _sum(stage: str, spent: Sequence[JobCost]) -> dict[str, Any]:
    joules, bound = energy(spent)
    return {
        "stage": stage,
        "jobs": len(spent),
        **{key: sum(getattr(cost, key) for cost in spent) for key in ("seconds", "device_seconds", "cpu_seconds")},
        **{key: max(getattr(cost, key) for cost in spent) for key in ("peak_memory_mb", "peak_gpu_memory_mb")},
        "energy_joules": joules,
        "energy_shared": int(bound),
        "devices": ", ".join(sorted({cost.device for cost in spent if cost.device})),
    }


def _energy(row: Cells) -> str:
    if row["energy_joules"] is None:
        return "not measured by this device"
    return f"{'at most ' if row['energy_shared'] else ''}{row['energy_joules'] / 3600:,.1f} Wh"


def energy_note(results: Results) -> str:
    """Tell why energies are upper bounds; empty if they are none."""
    if not energy(results.costs)[1]:
        return ""
    return (
        "A job's energy is that of its whole device. Jobs that ran at the same time may have shared one, so that their "
        "sum is an upper bound."
    )


def search_costs(results: Results) -> Table:
    """One row a search: its jobs, and what it took without the start of its processes."""
    counted = {f"{one.strategy}-{one.search_seed}": one for one in results.search_costs}
    rows = []
    for one in results.searches:
        spent = [cost for cost in results.costs if cost.search == one.name]
        own = counted.get(one.name)
        training = one_training(results, one.strategy)
        row = {
            "search": one.name,
            "kind": one.kind,
            "jobs": len(spent),
            "job_seconds": sum(cost.seconds for cost in spent) if spent else None,
            "cpu_seconds": sum(cost.cpu_seconds for cost in spent) if spent else None,
            "search_seconds": own and own.search_seconds,
            "ranking_seconds": own and own.ranking_seconds,
            "final_trainings": own.seconds / training if own and own.seconds and training else None,
            "note": own.note if own else "",
        }
        rows.append(row)
    columns = (
        *texts("search", "kind"),
        figure("jobs", "jobs", numbers.count),
        *figures(numbers.seconds, job_seconds="time of all jobs", cpu_seconds="processor time"),
        known("search_seconds", "searching, without starts", numbers.seconds),
        known("ranking_seconds", "ranking its candidates", numbers.seconds),
        known("final_trainings", "both, in final trainings", _times),
        text("note", "note"),
    )
    keys = ("search", "kind", "jobs", "job_seconds", "cpu_seconds", "search_seconds", "ranking_seconds",
            "final_trainings", "note")  # fmt: skip
    return Table("search_costs", "Cost of each search", keys, columns, rows)


MAKERS = (
    reproduction, found,
    constraints, fronts, family, factorial, effects, costs, search_costs, contests, forest, opponents, retrained,
    comparisons, recipe_agreement, recipe_contests, recipes, search, latencies, surrogates, agreement, estimators,
    beyond_macs, top,
    sufficiency, gaps, exports, performance,
)  # fmt: skip
#: those of the recommended network's predictions
OF_PREDICTIONS = (per_class, confusion)


def all_tables(results: Results, tested: Tested | None) -> dict[str, Table]:
    """Make every table, by its name; one without rows is there too."""
    made = {make.__name__: make(results) for make in MAKERS} | {make.__name__: make(tested) for make in OF_PREDICTIONS}
    return {name: made[name].without_empty() for name in TABLES}
