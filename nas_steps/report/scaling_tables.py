"""The tables of the scaled family and of the factorial."""

from __future__ import annotations

from nas_steps.report import numbers
from nas_steps.report.columns import (
    Cells,
    Column,
    Table,
    figure,
    figure_or_status,
    interval_or_nothing,
    known,
    signed_points,
    text,
)
from nas_steps.report.factorial import reading
from nas_steps.report.results import Results


def family(results: Results) -> Table:
    rows = [vars(row) for row in results.family or ()]
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
        Column("test_mean", "test mean", lambda row: figure_or_status(row["test_mean"], row["status"])),
        Column("test_low", "95 % interval", interval_or_nothing),
        figure("trainings", "trainings", lambda value: numbers.count(value or 0)),
        known("train_seconds", "one training", numbers.seconds),
        known("predicted_seconds", "predicted", numbers.seconds),
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
        Column("test_mean", "test mean", lambda row: figure_or_status(row["test_mean"], row["status"])),
        Column("test_low", "95 % interval", interval_or_nothing),
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
        Column("difference", "points", signed_points),
        Column("low", "95 % interval, points", lambda row: numbers.interval(row["low"], row["high"])),
        figure("p_value", "p", numbers.small),
        figure("p_holm", "p, Holm", numbers.small),
        known("share", "of the gain", lambda value: numbers.share(value, 0)),
        text("note", "note"),
    )
    keys = ("kind", "effect", "base", "way", "seeds", "difference", "low", "high", "p_value", "p_holm", "share",
            "reading", "note")  # fmt: skip
    caption = "What search and scaling each bring, paired over seeds"
    return Table("effects", caption, keys, columns, tuple(rows))


def _named_effect(row: Cells) -> str:
    if row["kind"] != "gain":
        return str(row["effect"]).replace("_", "-")
    over = f"over {row['base']} unscaled".replace("_", "-")
    return f"both, {over}" if row["effect"] == "both" else f"{row['effect']}'s part, {over}"
