"""Test images and predictions for a made-up experiment, by which the page shows classes and mistakes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from nas_steps.provenance.files import read_csv, write_csv, write_json
from nas_steps.report.predictions import Tested

PER_CLASS = 36


def images(classes: int, channels: int = 1, side: int = 8, each: int = PER_CLASS) -> tuple[np.ndarray, np.ndarray]:
    """Smooth blobs that differ by class, uint8 (N, C, S, S), and their labels, int64 (N,)."""
    dice = np.random.default_rng(3)
    labels = np.repeat(np.arange(classes), each)
    y, x = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j]
    angle = 2 * np.pi * labels[:, None, None, None] / classes + np.arange(channels)[None, :, None, None]
    wave = np.sin(6 * (x * np.cos(angle) + y * np.sin(angle)) + dice.normal(0, 0.3, (len(labels), 1, 1, 1)))
    noise = dice.normal(0, 12, (len(labels), channels, side, side))
    return np.clip(127 + 110 * wave + noise, 0, 255).astype(np.uint8), labels.astype(np.int64)


def predicted(labels: np.ndarray, classes: int, wrong: float = 0.04) -> tuple[np.ndarray, np.ndarray]:
    """Predictions, int64 (N,), a share of them `wrong`, mostly the next class; and their confidences, float32 (N,)."""
    dice = np.random.default_rng(5)
    guesses = labels.copy()
    picked = dice.permutation(len(labels))[: round(wrong * len(labels))]
    guesses[picked] = (labels[picked] + dice.choice([1, 1, 1, 2], len(picked))) % classes
    return guesses, dice.uniform(0.6, 1.0, len(labels)).astype(np.float32)


def predictions_of(names: tuple[str, ...], **changes: Any) -> Tested:
    """Predictions without files."""
    pixels, labels = images(len(names))
    guesses, confidence = predicted(labels, len(names))
    found = {"images": pixels, "labels": labels, "predicted": guesses, "confidence": confidence} | changes
    return Tested("darts-0", 0, names, **found)


def add_pictures(folder: Path, channels: int = 1, side: int = 8) -> None:
    """Write the test arrays beside a made-up experiment, and the predictions of its recommended network."""
    data = folder.parent / "data"
    meta = json.loads((data / "meta.json").read_text(encoding="utf-8"))
    each = next(iter(meta["counts"]["test"].values()))
    pixels, labels = images(len(meta["classes"]), channels, side, each)
    np.save(data / "test_images.npy", pixels)
    np.save(data / "test_labels.npy", labels)
    write_json(data / "meta.json", {**meta, "shape": [channels, side, side]})
    recommended = json.loads((folder / "recommended.json").read_text(encoding="utf-8"))
    if recommended.get("entry"):
        guesses, confidence = predicted(labels, len(meta["classes"]))
        file = folder / f"retraining/{recommended['entry']}-s{recommended['seed']}/predictions.safetensors"
        save_file({"test": guesses, "test_confidence": confidence}, file)


def as_looked_up(folder: Path) -> None:
    """Name the rows of retrained.csv as `lookup` does: by strategy, with the search's seed."""
    file = folder / "retraining/retrained.csv"
    rows = read_csv(file)
    named = [(row, re.fullmatch(r"(\w+)-(\d+)", row["entry"])) for row in rows]
    write_csv(file, [{**row, "entry": name[1], "seed": name[2]} for row, name in named if name], list(rows[0]))
