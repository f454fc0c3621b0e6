"""Classes, confusions and mistakes of the recommended network: right counts, pictures that say what they show."""

from __future__ import annotations

import io
from base64 import b64decode

import numpy as np
import pytest
from pictures import images, predictions_of
from PIL import Image

from nas_steps.report.predictions import confused_pairs, confusion, matrix, per_class
from nas_steps.report.thumbnails import SIDE, mistakes, png

NAMES = ("cat", "dog", "owl")
SMALL = predictions_of(
    NAMES,
    images=images(3, each=2)[0],
    labels=np.array([0, 0, 1, 1, 2, 2]),
    predicted=np.array([0, 1, 1, 1, 0, 1]),
    confidence=np.array([0.9, 0.7, 0.8, 0.6, 0.95, 0.99], np.float32),
)


def test_recall_and_precision_are_those_of_the_counts() -> None:
    rows = {row["class"]: row for row in per_class(SMALL).rows}
    assert {name: (row["images"], row["recall"], row["precision"]) for name, row in rows.items()} == {
        "cat": (2, 0.5, 0.5),
        "dog": (2, 1.0, 0.5),
        "owl": (2, 0.0, None),
    }
    assert [row["class"] for row in per_class(SMALL).rows] == ["owl", "cat", "dog"]
    assert (rows["cat"]["mistaken_for"], rows["dog"]["mistaken_for"]) == ("dog", "")
    for row in rows.values():
        assert row["recall_low"] <= row["recall"] <= row["recall_high"]
    # 0 of 2 is no proof of 0: Wilson's interval of it ends at z^2 / (n + z^2)
    assert rows["owl"]["recall_high"] == pytest.approx(1.96**2 / (2 + 1.96**2), abs=1e-4)


def test_the_confusion_table_holds_each_image_once() -> None:
    found = confusion(SMALL)
    assert sum(row["images"] for row in found.rows) == len(SMALL.labels)
    pairs = {(row["true"], row["predicted"]): row["images"] for row in found.rows}
    assert pairs == {("cat", "cat"): 1, ("cat", "dog"): 1, ("dog", "dog"): 2, ("owl", "cat"): 1, ("owl", "dog"): 1}
    squares = dict(matrix(SMALL))
    assert [(one.images, one.heat, one.right) for one in squares["cat"]] == [
        (1, 50, True),
        (1, 50, False),
        (0, 0, False),
    ]
    assert squares["owl"][1].label == "true: owl, predicted: dog, 1 image"


def test_of_many_classes_the_most_confused_pairs_are_shown() -> None:
    names = tuple(f"class {number}" for number in range(60))
    labels = np.repeat(np.arange(60), 2)
    guesses = (labels + 1) % 60
    guesses[:2] = [5, 5]
    many = predictions_of(names, labels=labels, predicted=guesses, confidence=np.ones(120, np.float32))
    shown = confused_pairs(confusion(many))
    assert len(shown.rows) == 30
    assert all(row["images"] == 2 and row["true"] != row["predicted"] for row in shown.rows)
    assert shown.caption == "The 30 most confused pairs of classes"


def test_the_most_confident_mistakes_come_first_with_words() -> None:
    found = mistakes(SMALL, 2)
    assert [one.words for one in found] == [
        "true: owl, predicted: dog, 99.0\N{NO-BREAK SPACE}%",
        "true: owl, predicted: cat, 95.0\N{NO-BREAK SPACE}%",
    ]
    assert len(mistakes(SMALL, 12)) == 3
    assert mistakes(SMALL, 0) == mistakes(None, 12) == []


@pytest.mark.parametrize(("channels", "side", "shown"), [(1, 8, 8), (3, 32, 32), (3, 224, SIDE)])
def test_a_thumbnail_is_a_small_png_of_its_image(channels: int, side: int, shown: int) -> None:
    image = images(4, channels, side, 1)[0][1]
    kind, _, content = png(image).partition(",")
    assert kind == "data:image/png;base64"
    assert len(content) < 8000
    picture = Image.open(io.BytesIO(b64decode(content)))
    assert picture.size == (shown, shown)
    pixels = np.asarray(picture.convert("L" if channels == 1 else "RGB"), float)
    wanted = Image.fromarray(image[0] if channels == 1 else image.transpose(1, 2, 0)).resize((shown, shown))
    limit = 0 if channels == 1 else 16  # colours are fewer
    assert np.abs(pixels - np.asarray(wanted, float)).mean() <= limit
