"""The tables of the ONNX files."""

from __future__ import annotations

from nas_steps.export.tables import EXPORTS, PERFORMANCE
from nas_steps.report import numbers
from nas_steps.report.columns import Cells, Column, Table, figure, text
from nas_steps.report.results import Results


def exports(results: Results) -> Table:
    """One row a network: its files, and how they agree with torch."""
    columns = [
        text("file", "file", "no file"),
        text("name", "network"),
        text("kind", "kind"),
        text("status", "check"),
        figure("bytes", "size", numbers.size),
        figure("largest_difference", "largest difference of logits", numbers.scientific),
        figure("top1_agreement", "same top class", numbers.share),
        figure("test_accuracy", "test accuracy", numbers.share),
    ]
    if any(row["int8_status"] for row in results.exports):
        columns += [
            text("int8_status", "INT8 file"),
            figure("int8_bytes", "INT8 size", numbers.size),
            figure("int8_test_accuracy", "INT8 test accuracy", numbers.share),
            Column("int8_test_loss", "points lost by INT8 on test (95 %)", _loss),
        ]
    return Table("exports", "ONNX files, checked in onnxruntime against torch", EXPORTS, columns, results.exports)


def performance(results: Results) -> Table:
    """One row an ONNX file: how fast it is, and what memory it takes."""
    floats = {row["name"]: row for row in results.performance if row["precision"] == "float32"}
    rows = [
        {**row, **{f"times_{batch}": _speedup(floats.get(row["name"]), row, batch) for batch in (1, 32)}}
        for row in results.performance
    ]
    columns = (
        text("file", "file"),
        text("precision", "precision"),
        figure("bytes", "size", numbers.size),
        Column("latency_1_ms", "one image, ms (quartiles)", lambda row: _latency(row, 1)),
        Column("latency_32_ms", "32 images, ms (quartiles)", lambda row: _latency(row, 32)),
        figure("times_1", "one image, times as fast as float32", _faster),
        figure("times_32", "32 images, times as fast", _faster),
        figure("memory_idle_mb", "memory before loading", numbers.megabytes),
        figure("memory_1_mb", "with one image", numbers.megabytes),
        figure("memory_32_mb", "with 32 images", numbers.megabytes),
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
    if times is None:
        return ""
    return numbers.ratio(times) if times >= 1 else f"{numbers.ratio(times)} (slower)"


def _loss(row: Cells) -> str:
    """`0.4 ([-0.1, 0.9])`, in points."""
    loss, low, high = (row[f"int8_test_loss{end}"] for end in ("", "_low", "_high"))
    return numbers.NO_FIGURE if loss is None else f"{numbers.points(loss)} ({numbers.interval(low, high)})"
