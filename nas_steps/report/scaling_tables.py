"""The tables of the scaled family and of the factorial."""

from __future__ import annotations

from nas_steps.report import numbers
from nas_steps.report.columns import Cells, Column, Table, accuracy, difference, figure, interval, known, text
from nas_steps.report.factorial import reading
from nas_steps.report.results import Results
from nas_steps.scaling.factorial import CELLS
from nas_steps.scaling.family import FAMILY


def family(results: Results) -> Table:
    """One row a member of the scaled family."""
    columns = (
        text("member", "member"),
        text("factors", "factors"),
        known("phi", "φ", lambda value: numbers.plain(value, 0)),
        figure("depth", "depth", numbers.plain),
        figure("width", "width", numbers.plain),
        figure("resolution", "resolution", numbers.plain),
        known("cells", "cells", numbers.count),
        known("channels", "channels", numbers.count),
        figure("side", "side, px", numbers.count),
        known("dropout", "dropout", numbers.plain),
        known("drop_path", "drop path", lambda value: numbers.plain(value) if value else ""),
        figure("parameters", "parameters", numbers.count),
        figure("macs", "MACs", numbers.macs),
        known("activation_bytes", "activations", numbers.size),
        accuracy("test_mean", "test mean"),
        Column("test_low", "95 % interval", _interval_or_nothing),
        figure("trainings", "trainings", lambda value: numbers.count(value or 0)),
        known("train_seconds", "one training", numbers.seconds),
        known("predicted_seconds", "predicted", numbers.seconds),
        text("warm_start", "started from"),
    )
    keys = [key for key in FAMILY if key != "reductions"]
    return Table("family", "The scaled family, accuracy in per cent", keys, columns, results.family)


def factorial(results: Results) -> Table:
    """One row a cell: a base in one way of scaling."""
    columns = (
        text("base", "base"),
        text("scaling", "scaling"),
        figure("parameters", "parameters", numbers.count),
        figure("macs", "MACs", numbers.macs),
        figure("mismatch", "off the target", lambda value: f"{numbers.points(value, sign=True)} %"),
        accuracy("test_mean", "test mean"),
        Column("test_low", "95 % interval", _interval_or_nothing),
        figure("trainings", "trainings", lambda value: numbers.count(value or 0)),
        figure("train_seconds", "one training", numbers.seconds),
    )
    caption = "Every base in every way of scaling, at matched MACs; accuracy in per cent"
    return Table("factorial", caption, CELLS, columns, results.factorial)


def effects(results: Results) -> Table:
    """One row an effect of search, of scaling, or of both."""
    rows = [vars(row) | {"reading": reading(row)} for row in results.effects]
    columns = (
        text("kind", "effect of"),
        Column("effect", "effect", _named_effect, numeric=False),
        text("reading", "reading"),
        figure("seeds", "paired seeds", numbers.count),
        difference("points"),
        interval("", "95 % interval, points"),
        figure("p_value", "p", numbers.small),
        figure("p_holm", "p, Holm", numbers.small),
        known("share", "of the gain", lambda value: numbers.share(value, 0)),
        text("note", "note"),
    )
    keys = ("kind", "effect", "base", "way", "seeds", "difference", "low", "high", "p_value", "p_holm", "share",
            "reading", "note")  # fmt: skip
    return Table("effects", "What search and scaling each bring, paired over seeds", keys, columns, rows)


def _interval_or_nothing(row: Cells) -> str:
    return "" if row["test_mean"] is None else numbers.interval(row["test_low"], row["test_high"])


def _named_effect(row: Cells) -> str:
    if row["kind"] != "gain":
        return str(row["effect"]).replace("_", "-")
    over = f"over {row['base']} unscaled".replace("_", "-")
    return f"both, {over}" if row["effect"] == "both" else f"{row['effect']}'s part, {over}"
