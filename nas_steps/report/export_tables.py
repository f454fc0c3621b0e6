"""The tables of the ONNX files."""

from __future__ import annotations

from nas_steps.report import numbers
from nas_steps.report.columns import Cells, Column, Table, figure, text
from nas_steps.report.records import Performance
from nas_steps.report.results import Results


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
