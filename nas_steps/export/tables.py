"""The columns of exports.csv and performance.csv, and the row of a check. Imports no torch."""

from collections.abc import Mapping
from typing import Any

EXPORTS = (
    "name", "file", "kind", "status", "seed", "parameters", "macs", "bytes", "images", "largest_difference",
    "top1_agreement", "test_accuracy", "opset", "int8_status", "int8_file", "int8_bytes", "int8_valid_loss",
    "int8_test_accuracy", "int8_test_loss", "int8_test_loss_low", "int8_test_loss_high", "temperature",
    "calibration_error", "calibrated_error", "formats",
)  # fmt: skip
PERFORMANCE = (
    "name", "file", "precision", "bytes", "threads", "repeats_1", "latency_1_ms", "latency_1_p25_ms",
    "latency_1_p75_ms", "repeats_32", "latency_32_ms", "latency_32_p25_ms", "latency_32_p75_ms", "memory_idle_mb",
    "memory_1_mb", "memory_32_mb",
)  # fmt: skip


def flat(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a check as a row of exports.csv, with columns of its own for the INT8 file and one for all formats."""
    int8 = line.get("int8") or {}
    told = "; ".join(f"{one['format']}: {one['status']}" for one in line.get("formats") or ())
    row = {key: int8.get(key.removeprefix("int8_")) if key.startswith("int8_") else line.get(key) for key in EXPORTS}
    return row | {"formats": told}
