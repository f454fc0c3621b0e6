"""The tables of ranking: how scores rank, and how many architectures to train."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nas_steps.ranking import calibrate
from nas_steps.ranking.rank import AGREEMENT
from nas_steps.report import numbers
from nas_steps.report.columns import Column, Table, figure, interval, plain_interval, text, with_ends
from nas_steps.report.records import Compared
from nas_steps.report.results import Results

_CEILINGS = with_ends("ceiling", "halves")


def agreement(results: Results) -> Table:
    """One row a strategy, and one for all: how the search's score ranks what was trained."""
    columns = (
        text("strategy", "strategy"),
        text("estimator", "estimator", "several"),
        figure("architectures", "architectures", numbers.count),
        figure("kendall_tau", "Kendall's tau", numbers.plain),
        plain_interval(""),
        figure("p_value", "p", numbers.small),
        text("note", "note"),
    )
    truth = "accuracy after separate training" if results.table is None else results.table.report
    caption = f"Agreement of the search's score with {truth}"
    return Table("agreement", caption, AGREEMENT, columns, list(map(vars, results.agreement)))


def estimators(results: Results) -> Table:
    """One row for each estimator, pool and part of it: rank correlations beside the noise ceiling."""
    compared = [one for one in results.compared if one.k is None]
    rows = _joined(compared, "part")
    for one in compared:
        if one.measure == "kendall":
            more = {key: getattr(one, key) for key in ("p_value", *_CEILINGS, "note", "ceiling_note")}
            rows[one.estimator, one.pool, one.part] |= more
    columns = (
        text("estimator", "score"),
        text("pool", "pool"),
        text("part", "part"),
        figure("architectures", "architectures", numbers.count),
        figure("kendall", "Kendall's tau", numbers.plain),
        plain_interval("kendall_"),
        figure("p_value", "p", numbers.small),
        figure("spearman", "Spearman's rho", numbers.plain),
        plain_interval("spearman_"),
        figure("ceiling", "noise ceiling of tau", numbers.plain),
        plain_interval("ceiling_"),
        figure("halves", "tau of two halves of the seeds", numbers.plain),
        text("note", "note"),
    )
    keys = ("estimator", "pool", "part", "architectures", *with_ends("kendall", "spearman"), "p_value", *_CEILINGS,
            "note", "ceiling_note")  # fmt: skip
    caption = "How scores rank what was trained: the uniform sample (unbiased) and the whole pool"
    return Table("estimators", caption, keys, columns, list(rows.values()))


def top(results: Results) -> Table:
    """One row for each estimator, pool and k: what the k best scored are worth."""
    compared = [one for one in results.compared if one.k is not None and one.part == "all"]
    rows = _joined(compared, "k")
    for one in compared:
        row = rows[one.estimator, one.pool, one.k]
        row["note"] = one.note or row.get("note", "")
    columns = (
        text("estimator", "score"),
        text("pool", "pool"),
        figure("k", "k", numbers.count),
        figure("architectures", "architectures", numbers.count),
        figure("precision", "of them among the k best", numbers.share),
        interval("precision_", "of other pools, 95 %", 1),
        figure("regret", "behind the best, points", lambda value: numbers.points(value, 2)),
        interval("regret_", "of other pools, 95 %", 2),
        text("note", "note"),
    )
    keys = ("estimator", "pool", "k", "architectures", *with_ends("precision", "regret"), "note")
    return Table("top", "What training the k best scored finds", keys, columns, list(rows.values()))


def _joined(compared: Iterable[Compared], key: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Join the measures of each estimator, pool and `key` (`part` or `k`) into one row."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in compared:
        head = {"estimator": one.estimator, "pool": one.pool, key: getattr(one, key)}
        row = rows.setdefault(tuple(head.values()), {**head, "architectures": one.n})
        row |= zip(with_ends(one.measure), (one.value, one.low, one.high), strict=True)
    return rows


def sufficiency(results: Results) -> Table:
    """One row for each predictor and k: what training the k best scored of a search's candidates costs."""
    columns = (
        Column("predictor", "foretold by", lambda row: f"{row['predictor']}{', read' if row['read'] else ''}", False),
        figure("k", "k", numbers.count),
        figure("regret", "behind the best, points, mean", lambda value: numbers.points(value, 2)),
        interval("regret_", decimals=2),
        figure("regret_95", "not exceeded in 95 %", lambda value: numbers.points(value, 2)),
        interval("regret_95_", decimals=2),
        figure("holds_top", "holds one of the best 1 %", numbers.share),
        interval("holds_top_", decimals=1),
    )
    candidates = (results.calibration or {}).get("candidates")
    among = f"the best of {candidates} candidates" if candidates else "the candidates"
    caption = f"Is the score enough? Training the k best scored against {among}"
    return Table("sufficiency", caption, calibrate.COLUMNS, columns, results.sufficiency)
