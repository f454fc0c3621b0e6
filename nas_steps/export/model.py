"""One ONNX file and its line of the table of exports."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nas_steps.config.stages import ExportStep
from nas_steps.data.store import load_split, read_meta
from nas_steps.export.check import compare
from nas_steps.export.convert import trained_network, write_onnx
from nas_steps.export.tables import EXPORTS
from nas_steps.provenance.files import read_json
from nas_steps.training.devices import prepare

Record = tuple[Path, dict[str, Any]]  # the folder of a training, its metrics.json


def best_training(records: Sequence[Record]) -> Record | None:
    """The sound training of best validation accuracy, the first where none is known; None without a sound one.

    The test accuracy takes no part: it is told, not chosen by.
    """
    sound = [pair for pair in records if pair[1]["status"] == "ok"]
    return max(sound, key=lambda pair: (pair[1]["valid_accuracy"] or 0.0, -pair[1]["seed"]), default=None)


def records(paths: Sequence[str]) -> list[Record]:
    """Read the records of some trainings."""
    return [(Path(path).parent, read_json(path)) for path in paths]


def export(step: ExportStep, data: str, folder: Path, metrics: dict[str, Any], path: Path) -> dict[str, Any]:
    """Write one ONNX file, compare it with torch, and return its line for the table."""
    prepare("cpu", 1)
    meta = read_meta(data)
    deployed = trained_network(metrics, folder / "weights.safetensors", meta)
    channels, side, _ = meta.shape
    properties = {
        "classes": list(meta.classes),
        "input": f"uint8 pixels, (batch, {channels}, {side}, {side}), {'RGB' if channels == 3 else 'grey'}",
        "resize": f"shorter side to {side} pixels, then the {side} x {side} centre",
        "architecture": metrics["architecture"],
        "test_accuracy": metrics["test_accuracy"],
        "valid_accuracy": metrics["valid_accuracy"],
        "data": meta.content,
    }
    write_onnx(path, deployed, meta, step.export.opset, properties)
    test = load_split(data, "test")
    count = min(step.export.images, len(test.labels))
    # spread over the whole set, which may be sorted by class
    chosen = np.linspace(0, len(test.labels) - 1, count).round().astype(int)
    check = compare(path, deployed, test.images[chosen], test.labels[chosen])
    content = path.read_bytes()
    exact = check["largest_difference"] <= step.export.tolerance
    return {
        "name": metrics["entry"],
        "file": path.name,
        "kind": metrics["kind"],
        "status": "ok" if exact else f"differs by more than {step.export.tolerance:g}",
        "seed": metrics["seed"],
        "parameters": metrics["parameters"],
        "macs": metrics["macs"],
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "test_accuracy": metrics["test_accuracy"],
        "opset": step.export.opset,
        **check,
    }


def without_model(metrics: dict[str, Any]) -> dict[str, Any]:
    """The line of an entry that has no sound training."""
    empty = dict.fromkeys(EXPORTS)
    return {
        **empty,
        "name": metrics["entry"],
        "kind": metrics["kind"],
        "status": metrics["status"],
        "parameters": metrics["parameters"],
        "macs": metrics["macs"],
    }
