"""The tables of the final trainings, and of what is compared."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from nas_steps.report import numbers
from nas_steps.report.columns import Cells, Column, Table, figure, figure_or_status, signed_points, text
from nas_steps.report.gaps import GAPS
from nas_steps.report.gaps import gaps as rows_of_gaps
from nas_steps.report.records import Contest, Entry
from nas_steps.report.results import Results
from nas_steps.report.verdict import READING, outcome


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
        Column("difference", "difference, points", signed_points),
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


def best_of_kind(results: Results, kind: str) -> Entry | None:
    """The entry of a kind with the best validation mean (test mean where validation is not known)."""
    known = [entry for entry in results.entries if entry.kind == kind and entry.test_mean is not None]
    with_valid = [entry for entry in known if entry.valid_mean is not None]
    if with_valid:
        return max(with_valid, key=lambda entry: entry.valid_mean or 0.0)
    return max(known, key=lambda entry: entry.test_mean or 0.0, default=None)


def _of(row: Cells) -> str:
    return "mean of all" if row["of"] == "mean" else f"best of {row['k']}, by validation"


def _seed_column(seed: int) -> Column:
    def spell(row: Cells) -> str:
        return figure_or_status(row[f"test_seed_{seed}"], row[f"status_seed_{seed}"])

    return Column(f"test_seed_{seed}", f"seed {seed}", spell)
