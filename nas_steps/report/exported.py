"""The tables of exported networks: their files, checked against torch, and their speed and memory."""

from nas_steps.export.tables import EXPORTS, PERFORMANCE
from nas_steps.report import numbers
from nas_steps.report.columns import Column, Table, figure, figures, text, texts
from nas_steps.report.records import Cells
from nas_steps.report.results import Results


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
    loss, low, high = (row[key] for key in ("int8_test_loss", "int8_test_loss_low", "int8_test_loss_high"))
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
