"""The tables of the final trainings, and of what is compared."""

from __future__ import annotations

from typing import Any

from nas_steps.report import numbers
from nas_steps.report.columns import Cells, Column, Table, accuracy, difference, figure, interval, text
from nas_steps.report.evidence import READING, outcome
from nas_steps.report.gaps import GAPS
from nas_steps.report.gaps import gaps as rows_of_gaps
from nas_steps.report.results import Results
from nas_steps.retraining.contests import CONTESTS


def retrained(results: Results) -> Table:
    """One row an entry, with one column a training seed; best mean test accuracy first."""
    seeds = sorted({one.seed for one in results.trainings if one.seed is not None})
    trainings = {(one.entry, one.seed): one for one in results.trainings}
    rows: list[dict[str, Any]] = []
    for entry in sorted(results.entries, key=lambda one: 1.0 if one.test_mean is None else -one.test_mean):
        rows.append(vars(entry).copy())
        for seed in seeds:
            one = trainings.get((entry.entry, seed))
            rows[-1][f"test_seed_{seed}"] = one.test_accuracy if one else None
            rows[-1][f"status_seed_{seed}"] = one.status if one else "not trained"
    columns = (
        text("entry", "entry"),
        text("kind", "kind"),
        figure("parameters", "parameters", numbers.count),
        figure("macs", "MACs", numbers.macs),
        figure("test_mean", "test mean", numbers.points),
        figure("test_std", "std", lambda value: numbers.points(value, 2)),
        interval("test_"),
        figure("valid_mean", "valid mean", numbers.points),
        *(accuracy(f"test_seed_{seed}", f"seed {seed}", f"status_seed_{seed}") for seed in seeds),
        figure("train_seconds", "one training", numbers.seconds),
    )
    keys = ("entry", "kind", "strategy", "architecture", "parameters", "macs", "trainings", "diverged",
            *(f"{what}_seed_{seed}" for seed in seeds for what in ("test", "status")),
            "test_mean", "test_std", "test_low", "test_high", "valid_mean", "train_seconds")  # fmt: skip
    what = "Final trainings: accuracy" if results.table is None else f"{results.table.report} of the winners"
    return Table("retrained", f"{what} in per cent, best test mean first", keys, columns, rows)


def contests(results: Results) -> Table:
    """One row for each strategy, opponent and way to take several winners as one."""
    rows = [vars(row) | {"reading": READING[outcome(row)]} for row in results.contests]
    columns = (
        text("strategy", "strategy"),
        text("reading", "reading"),
        text("against", "against"),
        Column("of", "winners", _of, numeric=False),
        text("searches", "searches"),
        figure("pairs", "paired seeds", numbers.count),
        difference("difference, points"),
        interval("", "95 % interval, points"),
        interval("bootstrap_", "bootstrap"),
        figure("effect", "effect, std", numbers.plain),
        figure("p_holm", "p, Holm", numbers.small),
        figure("p_flips_holm", "permutation p, Holm", numbers.small),
        figure("detectable", "detectable, points", numbers.points),
        figure("seeds_needed", "seeds needed", numbers.count),
        text("note", "note"),
    )
    caption = "Strategies as a whole, paired over training seeds: what the verdict rests on"
    return Table("contests", caption, (*CONTESTS, "reading"), columns, rows)


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
    return Table("gaps", caption, GAPS, columns, rows_of_gaps(results))


def comparisons(results: Results) -> Table:
    """One row for each winner and other entry."""
    rows = [vars(row) | {"reading": READING[outcome(row)]} for row in results.comparisons]
    columns = (
        text("entry", "entry"),
        text("reading", "reading"),
        text("against", "against"),
        text("role", "role"),
        figure("pairs", "paired seeds", numbers.count),
        difference("difference, points"),
        interval("", "95 % interval, points"),
        figure("p_value", "p", numbers.small),
        figure("p_holm", "p, Holm", numbers.small),
        text("note", "note"),
    )
    keys = ("entry", "strategy", "against", "role", "pairs", "difference", "low", "high", "p_value", "p_holm",
            "reading", "note")  # fmt: skip
    caption = "Searched networks against all others, paired over training seeds"
    return Table("comparisons", caption, keys, columns, rows)


def _of(row: Cells) -> str:
    return "mean of all" if row["of"] == "mean" else f"best of {row['k']}, by validation"
