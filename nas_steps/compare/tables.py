"""The tables of a comparison, and the sentences that say what they do not claim."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from nas_steps.compare.reading import PARTS, Experiment, differing, letters, seed_groups
from nas_steps.intervals import mean_interval
from nas_steps.metrics import WORDS
from nas_steps.provenance.changes import ABSENT
from nas_steps.report import evidence, numbers
from nas_steps.report.columns import Column, Table, known, text
from nas_steps.report.records import Cells, Entry
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence, energy
from nas_steps.wording import in_words

_FIGURES = ("test_mean", "test_low", "test_high")
KEYS = (
    "experiment", "folder", "problem", "metric", "seed", "train_set", "valid_set", "test_set", "recommended", "kind",
    "valid_mean", *_FIGURES, "baseline", *(f"baseline_{key}" for key in _FIGURES), "random_searches", "random_mean",
    "random_low", "random_high", "parameters", "macs", "latency_ms", "latency_threads", "cpu_seconds", "gpu_seconds",
    "energy_joules", "energy_shared", "headline", "paid", "versions", "devices",
)  # fmt: skip


def rows(experiments: Sequence[Experiment]) -> list[dict[str, Any]]:
    """Make a row of raw figures an experiment, under KEYS; of one with a problem, what its manifest says."""
    sets = {part: letters(experiments, part) for part in PARTS}
    found = []
    for one in experiments:
        row: dict[str, Any] = dict.fromkeys(KEYS)
        row |= {"experiment": one.name, "folder": str(one.folder), "problem": one.problem, "seed": one.seed}
        row |= {f"{part}_set": sets[part][one.name] for part in PARTS}
        row |= {"metric": one.metric if one.config else "", "devices": ", ".join(one.devices)}
        row["versions"] = ", ".join(f"{name} {version}" for name, version in sorted(one.packages.items()))
        if one.results is not None:
            row |= _figures(one, one.results)
        found.append(row)
    return found


def _figures(one: Experiment, results: Results) -> dict[str, Any]:
    assert one.pick is not None
    assert one.verdict is not None
    row: dict[str, Any] = _recommended(one, results)
    if (baseline := _baseline(results)) is not None:
        row["baseline"] = baseline.entry
        row |= {f"baseline_{key}": getattr(baseline, key) for key in _FIGURES}
    # a name with a dot is of random search within a smaller budget
    drawn = [one.test_mean for one in results.entries if one.kind == "random" and "." not in one.entry]
    measured = [value for value in drawn if value is not None]
    if measured:
        spread = mean_interval(measured)
        row["random_searches"] = len(measured)
        row |= {f"random_{key}": _finite(spread[key]) for key in ("mean", "low", "high")}
    joules, bound = energy(results.costs)
    row |= {
        "cpu_seconds": sum(cost.cpu_seconds for cost in results.costs),
        "gpu_seconds": sum(cost.device_seconds for cost in results.costs if cost.device.startswith("cuda")),
        "energy_joules": joules,
        "energy_shared": int(bound),
        "headline": in_words(one.verdict.headline, one.metric),
        "paid": in_words(one.verdict.paid.text, one.metric),
    }
    return row


def _recommended(one: Experiment, results: Results) -> dict[str, Any]:
    """Return the columns of the network to take; of a lookup in a table, the column that is reported."""
    assert one.pick is not None
    if results.table is not None:
        winner = next((row for row in results.winners if row.architecture == one.pick.architecture), None)
        if winner is None:
            return {}
        at = (winner.strategy, winner.search_seed)
        found = next((row.test_accuracy for row in results.trainings if (row.entry, row.seed) == at), None)
        return {"recommended": winner.entry, "kind": winner.kind, "valid_mean": winner.score, "test_mean": found}
    chosen = results.recommended or {}
    if not chosen.get("entry"):
        return {}
    files = {row["file"]: row for row in results.performance}
    timed = files.get(f"{chosen['entry']}/model.onnx", {})
    return {
        "recommended": chosen["entry"],
        "valid_mean": chosen.get("valid_metric", chosen.get("valid_accuracy")),
        "test_mean": chosen.get("test_metric", chosen["test_accuracy"]),
        **{key: chosen[key] for key in ("kind", "test_low", "test_high", "parameters", "macs")},
        "latency_ms": timed.get("latency_1_ms"),
        "latency_threads": timed.get("threads"),
    }


def _baseline(results: Results) -> Entry | None:
    """Choose the best baseline by its validation figure, as the report does."""
    kept = [one for one in results.entries if one.kind == "baseline" and one.test_mean is not None]
    return evidence.best(results, kept)


def _finite(value: float) -> float | None:
    return value if value == value else None


def figures(experiments: Sequence[Experiment], made: Sequence[Cells]) -> Table:
    """One row an experiment: which network to take and its test figure, beside the best baseline and random search."""

    def spelled(key: str) -> Callable[[Cells], str]:
        def spell(row: Cells) -> str:
            return _spelled(experiments, row, key)

        return spell

    columns = (
        text("experiment", "experiment"),
        text("test_set", "test set"),
        text("seed", "seed"),
        text("recommended", "take"),
        Column("test_mean", "test figure", spelled("test_mean")),
        Column("baseline_test_mean", "best baseline", spelled("baseline_test_mean")),
        Column("random_mean", "random search, mean", spelled("random_mean")),
        text("problem", "problem"),
    )
    return Table("figures", "Test figures, with 95 % intervals", KEYS, columns, made).without_empty()


def _spelled(experiments: Sequence[Experiment], row: Cells, key: str) -> str:
    """`97.1 % [96.5, 97.7]`, in the words of the experiment's metric."""
    results = next(one.results for one in experiments if one.name == row["experiment"])
    if results is None or row[key] is None:
        return ""
    low, high = (row[f"{key.removesuffix('_mean')}_{end}"] for end in ("low", "high"))
    span = "" if low is None or high is None else f" {results.measure.span(low, high)}"
    return f"{results.measure.level(row[key])}{span}"


def costs(experiments: Sequence[Experiment], made: Sequence[Cells]) -> Table:
    """One row an experiment: the size of the network to take, and what all jobs took."""
    measures = {one.name: one.results.measure for one in experiments if one.results is not None}

    def cost(row: Cells) -> str:
        return "" if row["macs"] is None else measures[row["experiment"]].cost(row["macs"])

    def latency(row: Cells) -> str:
        if row["latency_ms"] is None:
            return ""
        threads = numbers.plural(row["latency_threads"] or 1, "thread")
        return f"{numbers.milliseconds(row['latency_ms'])} ms, {threads}"

    def joules(row: Cells) -> str:
        if row["energy_joules"] is None:
            return ""
        return f"{'at most ' if row['energy_shared'] else ''}{row['energy_joules'] / 3600:,.1f} Wh"

    heads = dict.fromkeys(measure.cost_head for measure in measures.values())
    columns = (
        text("experiment", "experiment"),
        text("recommended", "take"),
        known("parameters", "parameters", numbers.macs),
        Column("macs", " or ".join(heads) or "MACs", cost, optional=True),
        Column("latency_ms", "latency", latency, optional=True),
        known("cpu_seconds", "processor time", numbers.seconds),
        known("gpu_seconds", "GPU time", lambda value: numbers.seconds(value) if value else ""),
        Column("energy_joules", "energy", joules, optional=True),
        text("devices", "devices"),
    )
    return Table("costs", "Sizes of the networks, and costs of the experiments", KEYS, columns, made).without_empty()


def config_differences(experiments: Sequence[Experiment]) -> Table:
    """One row a key of the config in which not all experiments have one value; one column an experiment."""
    held = [one for one in experiments if one.config]
    names = [one.name for one in held]
    found = [
        {"key": key, **{f"config:{name}": spelled(value) for name, value in zip(names, values, strict=True)}}
        for key, values in differing([one.config for one in held])
    ]
    columns = (text("key", "key"), *(text(f"config:{name}", name) for name in names))
    return Table("config", "Keys of the configs that differ", ("key",), columns, found)


def spelled(value: Any) -> str:
    """Spell a value of a config as YAML, in one line."""
    if value == ABSENT:
        return ABSENT
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")


def seeds(experiments: Sequence[Experiment], made: Sequence[Cells]) -> Table:
    """One row a group of experiments that differ in `seed` alone: means and spreads over the seeds."""
    by_name = {row["experiment"]: row for row in made}
    found = []
    for group in seed_groups(experiments):
        results = group[0].results
        assert results is not None
        row: dict[str, Any] = {
            "experiments": ", ".join(one.name for one in group),
            "seeds": ", ".join(str(one.seed) for one in group),
            "measure": results.measure,
        }
        for key in ("test_mean", "baseline_test_mean", "random_mean"):
            values = [by_name[one.name][key] for one in group]
            row[key] = mean_interval([value for value in values if value is not None])
        notes = ["each has its own test set"] if len({one.comparable for one in group}) > 1 else []
        notes += ["other versions of packages"] if len({str(sorted(one.packages.items())) for one in group}) > 1 else []
        notes += ["other devices"] if len({one.devices for one in group}) > 1 else []
        found.append(row | {"note": "; ".join(notes)})
    columns = (
        *(text(key, key) for key in ("experiments", "seeds")),
        Column("test_mean", "recommended networks", lambda row: _spread(row, "test_mean")),
        Column("baseline_test_mean", "best baselines", lambda row: _spread(row, "baseline_test_mean")),
        Column("random_mean", "random search", lambda row: _spread(row, "random_mean")),
        text("note", "note"),
    )
    caption = "Experiments that differ in the seed alone: mean and standard deviation over seeds, 95 % interval"
    return Table("seeds", caption, ("experiments",), columns, found).without_empty()


def _spread(row: Cells, key: str) -> str:
    found, measure = row[key], row["measure"]
    mean, deviation, low, high = (_finite(found[name]) for name in ("mean", "std", "low", "high"))
    if mean is None:
        return ""
    spread = "" if deviation is None else f" ± {measure.fine(deviation)} {measure.span(low, high)}"
    return f"{measure.level(mean)}{spread}"


def sentences(experiments: Sequence[Experiment]) -> Iterator[Sentence]:
    """Say what the figures do not claim, and which of them cannot stand beside each other."""
    for one in experiments:
        if one.problem:
            yield Sentence(f"{one.name} has no figures here: {one.problem}.", "warning")
    shown = [one for one in experiments if one.results is not None]
    sets: dict[str, list[str]] = {}
    for one in shown:
        sets.setdefault(one.comparable, []).append(one.name)
    if len({one.metric for one in shown}) > 1:
        told = [f"{one.name} by {WORDS[one.metric]}" for one in shown]
        yield Sentence(f"The networks are judged by several metrics: {numbers.listed(told)}.", "warning")
    if len(sets) > 1:
        groups = "; ".join(numbers.listed(names) for names in sets.values())
        yield Sentence(
            f"Test figures of other test sets or metrics are not compared. Comparable are only: {groups}.",
            "warning",
        )
    largest = max(map(len, sets.values()), default=0)
    if largest > 1:
        yield Sentence(
            "Nothing is claimed about a difference between two experiments: intervals stand beside each other, and no "
            "test was made. An experiment is one search seed or a few; run several values of `seed` and see the spread."
        )
        yield Sentence(
            f"If you pick the best of {largest} experiments by its test figure, that figure is too good: luck helped "
            "to pick it. Pick by validation figures, or test the picked network on new data.",
            "warning",
        )
    yield from _versions(shown)


def _versions(shown: Sequence[Experiment]) -> Iterator[Sentence]:
    for package in sorted({name for one in shown for name in one.packages}):
        versions: dict[str, list[str]] = {}
        for one in shown:
            versions.setdefault(one.packages.get(package, "not told"), []).append(one.name)
        if len(versions) > 1:
            told = "; ".join(f"{version} in {numbers.listed(names)}" for version, names in versions.items())
            yield Sentence(f"The versions of {package} differ: {told}.", "warning")


def as_text(table: Table) -> str:
    """Return a table for a terminal: a caption, the heads, a line a row."""
    lines = [[column.head for column in table.columns], *table.spelled()]
    widths = [max(len(line[place]) for line in lines) for place in range(len(table.columns))]
    aligned = [
        "  ".join(
            cell.rjust(width) if column.numeric else cell.ljust(width)
            for cell, width, column in zip(line, widths, table.columns, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([table.caption, *(f"  {line}" for line in aligned)])


def as_csv(
    experiments: Sequence[Experiment], made: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return rows and columns of the CSV: KEYS, and `config:<key>` for each key of the config that differs."""
    held = [one for one in experiments if one.config]
    extra = list(differing([one.config for one in held]))
    found = []
    for row in made:
        names = [one.name for one in held]
        own = names.index(row["experiment"]) if row["experiment"] in names else None
        cells = {f"config:{key}": "" if own is None else spelled(values[own]) for key, values in extra}
        found.append({**row, **cells})
    return found, [*KEYS, *(f"config:{key}" for key, _ in extra)]


def data(made: Sequence[Cells]) -> Table:
    """One row an experiment: which experiments have the same data, by letters."""
    columns = (
        text("experiment", "experiment"),
        text("metric", "metric"),
        *(text(f"{part}_set", f"{part} set") for part in PARTS),
    )
    caption = "The data: experiments with one letter have the same files"
    return Table("data", caption, KEYS, columns, made).without_empty()
