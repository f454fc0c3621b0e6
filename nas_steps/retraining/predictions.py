"""Final trainings with the images that each has right, or what each unit of text costs them. Imports no torch."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from nas_steps.data.store import load_split, read_meta
from nas_steps.data.text.store import chance_level, is_text, read_text_meta
from nas_steps.errors import UserError
from nas_steps.metrics import (
    ACCURACY,
    OF_BITS,
    Floats,
    bits_contributions,
    contributions,
    smoothing,
    worth_of_an_image,
)
from nas_steps.provenance.files import read_json


def read_trainings(
    records: Iterable[str | Path], predictions: Iterable[str | Path], data: str | Path
) -> list[Mapping[str, Any]]:
    """Return the records of final trainings (metrics.json), each with more keys.

    correct: whether each test image is classified correctly, or its contribution to the experiment's metric (float64,
        shape (images,)); None without predictions
    chance_level: 1 / classes; of text minus the bits per byte if all tokens are as likely
    smoothing, image_worth: of another metric than accuracy with predictions, see `metrics`

    Of text the contributions are those of units of text to minus the bits per byte, float64 (units,), and `image_df` is
    one less than the units.

    `predictions` are files predictions.safetensors, each in the folder of its record; `data` is the folder of the
    prepared images. Raises UserError if a file does not have a prediction for each test image.
    """
    files = {Path(path).parent: Path(path) for path in predictions}
    if is_text(data):
        return [_of_text(Path(path), files, data) for path in records]
    labels, classes = load_split(data, "test").labels, len(read_meta(data).classes)
    trainings: list[Mapping[str, Any]] = []
    for path in map(Path, records):
        metrics, more = read_json(path), dict[str, Any]()
        metric, correct = metrics.get("metric") or ACCURACY, None
        if path.parent in files:
            predicted = load_file(files[path.parent]).get("test")
            if predicted is not None and predicted.shape != labels.shape:
                raise UserError(
                    f"{files[path.parent]} has predictions of {len(predicted)} test images, and there are "
                    f"{len(labels)}; delete it and run snakemake again"
                )
            correct = None if predicted is None else contributions(metric, predicted, labels, classes)
            if predicted is not None and metric != ACCURACY:
                worth = worth_of_an_image(metric, np.bincount(labels, minlength=classes))
                more = {"smoothing": smoothing(metric, predicted, labels, classes), "image_worth": worth}
        trainings.append({**metrics, "correct": correct, "chance_level": 1 / classes, **more})
    return trainings


def _of_text(path: Path, files: Mapping[Path, Path], data: str | Path) -> Mapping[str, Any]:
    more: dict[str, Any] = {"correct": None, "chance_level": chance_level(read_text_meta(data), "test")}
    if path.parent in files and (correct := text_contributions(files[path.parent], "test")) is not None:
        more |= {"correct": correct, "smoothing": OF_BITS, "image_df": len(correct) - 1}
    return {**read_json(path), **more}


def text_contributions(file: str | Path, part: str) -> Floats | None:
    """Return what each unit of text contributes to minus the bits per byte (units,); None without predictions."""
    found = load_file(file)
    if f"{part}_nats" not in found:
        return None
    return -bits_contributions(found[f"{part}_nats"], found[f"{part}_bytes"])
