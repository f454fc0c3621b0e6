"""The tables of ranking: how scores rank, and how many architectures to train."""

from __future__ import annotations

from typing import Any

from nas_steps.report import numbers
from nas_steps.report.columns import Column, Table, bracket, figure, text
from nas_steps.report.results import Results


def agreement(results: Results) -> Table:
    rows = [vars(row) for row in results.agreement]
    columns = (
        text("strategy", "strategy"),
        text("estimator", "estimator", "several"),
        figure("architectures", "architectures", numbers.count),
        figure("kendall_tau", "Kendall's tau", numbers.plain),
        Column("low", "95 % interval", lambda row: bracket(row["low"], row["high"])),
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
        Column("kendall_low", "95 % interval", lambda row: bracket(row["kendall_low"], row["kendall_high"])),
        figure("p_value", "p", numbers.small),
        figure("spearman", "Spearman's rho", numbers.plain),
        Column("spearman_low", "95 % interval", lambda row: bracket(row["spearman_low"], row["spearman_high"])),
        figure("ceiling", "noise ceiling of tau", numbers.plain),
        Column("ceiling_low", "95 % interval", lambda row: bracket(row["ceiling_low"], row["ceiling_high"])),
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
            "of other pools, 95 %",
            lambda row: numbers.interval(row["precision_low"], row["precision_high"], 1),
        ),
        figure("regret", "behind the best, points", lambda value: numbers.points(value, 2)),
        Column(
            "regret_low", "of other pools, 95 %", lambda row: numbers.interval(row["regret_low"], row["regret_high"], 2)
        ),
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
