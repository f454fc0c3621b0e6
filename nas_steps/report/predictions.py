"""How the recommended network classed the test images: its classes, its confusions and its most confident mistakes."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file
from scipy.stats import binomtest

from nas_steps.calibration import BINS, calibration_error
from nas_steps.data.store import load_split, read_meta
from nas_steps.errors import UserError
from nas_steps.report import numbers
from nas_steps.report.columns import Column, Table, figure, figures, text
from nas_steps.report.records import Cells
from nas_steps.report.results import Results

#: more classes than this have a list of pairs instead of a matrix
LARGEST_MATRIX = 30
#: pairs of classes in that list
PAIRS = 30


@dataclass(frozen=True)
class Tested:
    """One training of the recommended network, tested.

    `images` are uint8 (N, C, S, S); `labels` and `predicted` are numbers of `classes`, int64 (N,); `confidence` is the
    softmax probability of the predicted class, float32 (N,).
    """

    entry: str
    seed: int
    classes: tuple[str, ...]
    images: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray

    @cached_property
    def counts(self) -> np.ndarray:
        """Count the images by true class (rows) and predicted class (columns), int64 (classes, classes)."""
        size = len(self.classes)
        flat = np.bincount(size * self.labels + self.predicted, minlength=size * size)
        return flat.reshape(size, size)

    @property
    def right(self) -> int:
        return int(np.trace(self.counts))

    @property
    def calibration_error(self) -> float:
        """The expected calibration error of the softmax probabilities."""
        return calibration_error(self.confidence, self.predicted == self.labels)

    def mistakes(self, most: int) -> list[int]:
        """List the images that were classed wrongly, the most confident first, at most `most`."""
        wrong = np.flatnonzero(self.predicted != self.labels)
        order = np.argsort(-self.confidence[wrong], kind="stable")
        return [int(image) for image in wrong[order][:most]]


def load_tested(results: Results, folder: str | Path, data: str | Path | None) -> Tested | None:
    """Read the predictions of the training that is shipped, and the test images that they are of.

    None if nothing is recommended, if that training has no predictions, or for text, which has no classes. Raises
    UserError if the two disagree.
    """
    recommended = results.recommended
    if data is None or results.text or recommended is None or recommended.get("entry") is None:
        return None
    entry, seed = str(recommended["entry"]), int(recommended["seed"])
    path = Path(folder) / f"retraining/{entry}-s{seed}/predictions.safetensors"
    if not path.is_file():
        raise UserError(f"there is no {path}; run snakemake, which makes it before the report")
    tensors = load_file(path)
    if "test" not in tensors:
        return None
    classes, split = read_meta(data).classes, load_split(data, "test")
    predicted, confidence = tensors["test"], tensors["test_confidence"]
    if not len(predicted) == len(confidence) == len(split):
        raise UserError(f"{path} is of {len(predicted)} images, but {data} has {len(split)} test images")
    return Tested(entry, seed, classes, split.images, split.labels, predicted.astype(np.int64), confidence)


def calibration(tested: Tested | None, results: Results) -> str:
    """Tell the expected calibration error of the network as it is, and with its file's temperature; empty without."""
    if tested is None or not len(tested.labels):
        return ""
    text = (
        f"Its probabilities are off by {numbers.points(tested.calibration_error)} points in the mean (expected "
        f"calibration error, {BINS} bins of as many images each)"
    )
    file = f"{tested.entry}/model.onnx"
    row = next((row for row in results.exports if row["file"] == file), None)
    if row is None or row.get("temperature") is None or row.get("calibrated_error") is None:
        return f"{text}."
    if row["temperature"] == 1 and results.config.retrain.train_on != "train":
        return f"{text}; no validation images are left to calibrate them on."
    return (
        f"{text}. In the exported file, whose temperature {numbers.plain(row['temperature'])} was fitted on validation "
        f"images, they are off by {numbers.points(row['calibrated_error'])} points."
    )


def per_class(tested: Tested | None) -> Table:
    """One row a class, the lowest recall first; intervals are Wilson's, over the test images."""
    rows = [] if tested is None else sorted(_classes(tested), key=lambda row: _last_if_none(row["recall"]))
    columns = (
        text("class", "class"),
        figure("images", "images", numbers.count),
        figure("recall", "recall", numbers.share),
        _interval("recall"),
        figure("precision", "precision", numbers.share),
        _interval("precision"),
        text("mistaken_for", "most often taken for"),
        figure("mistaken_images", "images", lambda value: "" if value is None else numbers.count(value)),
    )
    keys = ("class", "images", "recall", "recall_low", "recall_high", "predicted", "precision", "precision_low",
            "precision_high", "mistaken_for", "mistaken_images")  # fmt: skip
    return Table("per_class", "Test images by class, the lowest recall first", keys, columns, rows)


def _last_if_none(share: float | None) -> float:
    return 2.0 if share is None else share


def _interval(name: str) -> Column:
    low, high = f"{name}_low", f"{name}_high"
    return Column(low, "95 % interval", lambda row: numbers.interval(row[low], row[high], 1))


def _classes(tested: Tested) -> list[dict[str, Any]]:
    rows = []
    for number, name in enumerate(tested.classes):
        right = int(tested.counts[number, number])
        images, predicted = int(tested.counts[number].sum()), int(tested.counts[:, number].sum())
        wrong = tested.counts[number].copy()
        wrong[number] = 0
        worst = int(wrong.argmax())
        rows.append(
            {"class": name, "images": images, "predicted": predicted}
            | _share("recall", right, images)
            | _share("precision", right, predicted)
            | {
                "mistaken_for": tested.classes[worst] if wrong[worst] else "",
                "mistaken_images": int(wrong[worst]) or None,
            }
        )
    return rows


def _share(name: str, right: int, of: int) -> dict[str, float | None]:
    if not of:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    interval = binomtest(right, of).proportion_ci(method="wilson")
    return {name: right / of, f"{name}_low": float(interval.low), f"{name}_high": float(interval.high)}


def confusion(tested: Tested | None) -> Table:
    """One row for each pair of a true and a predicted class that occurs; the most confused first, then the right."""
    rows: list[dict[str, Any]] = []
    if tested is not None:
        for true, predicted in np.argwhere(tested.counts):
            row = {"true": tested.classes[true], "predicted": tested.classes[predicted]}
            rows.append({**row, "images": int(tested.counts[true, predicted])})
        rows.sort(key=lambda row: (row["true"] == row["predicted"], -row["images"]))
    columns = (
        text("true", "true class"),
        text("predicted", "predicted class"),
        *figures(numbers.count, images="images"),
    )
    return Table("confusion", "The most confused pairs of classes", ("true", "predicted", "images"), columns, rows)


@dataclass(frozen=True)
class Square:
    """One cell of the confusion matrix; `heat`, 0 to 100, is its share of the true class's images, in per cent."""

    images: int
    heat: float
    right: bool
    label: str


def matrix(tested: Tested) -> list[tuple[str, list[Square]]]:
    """List the rows of the confusion matrix, each with its true class."""
    rows = []
    for true, name in enumerate(tested.classes):
        total = max(1, int(tested.counts[true].sum()))
        squares = []
        for predicted, other in enumerate(tested.classes):
            images = int(tested.counts[true, predicted])
            label = f"true: {name}, predicted: {other}, {numbers.plural(images, 'image')}"
            squares.append(Square(images, round(100 * images / total, 1), true == predicted, label))
        rows.append((name, squares))
    return rows


def confused_pairs(table: Table) -> Table:
    """Keep the most confused pairs of the table `confusion`."""
    rows: list[Cells] = [row for row in table.rows if row["true"] != row["predicted"]]
    caption = f"The {PAIRS} most confused pairs of classes" if len(rows) > PAIRS else table.caption
    return Table(table.name, caption, table.keys, table.columns, rows[:PAIRS])
