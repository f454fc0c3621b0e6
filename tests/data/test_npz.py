from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas_steps.config.data import Data
from nas_steps.data.arrays import Source
from nas_steps.data.npz import read_npz
from nas_steps.data.photos import square
from nas_steps.errors import UserError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 8, 8), np.uint8)
RGB = RNG.integers(0, 256, (6, 8, 8, 3), np.uint8)
LABELS = np.array([0, 1, 0, 1, 0, 1])

Read = Callable[..., Source]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(settings: dict[str, Any] | None = None, **arrays: Any) -> Source:
        np.savez(tmp_path / "a.npz", **arrays)
        return read_npz(Data(source="npz", path=str(tmp_path / "a.npz"), **(settings or {})))

    return run


@pytest.mark.parametrize("images", [RGB, RGB.transpose(0, 3, 1, 2), GREY, GREY[..., None], GREY[:, None]])
def test_every_allowed_shape(read: Read, images: np.ndarray) -> None:
    found = read(images=images, labels=LABELS).splits
    assert list(found) == ["train"]
    wanted = RGB.transpose(0, 3, 1, 2) if 3 in images.shape else GREY[:, None]
    assert np.array_equal(found["train"].images, wanted)
    assert found["train"].labels.tolist() == LABELS.tolist()
    assert found["train"].labels.dtype == np.int64


@pytest.mark.parametrize("keys", [("x_train", "y_train", "x_test", "y_test"), ("x", "y"), ("images", "labels")])
def test_other_names_of_the_keys(read: Read, keys: tuple[str, ...]) -> None:
    found = read(**{key: GREY if index % 2 == 0 else LABELS for index, key in enumerate(keys)})
    assert list(found.splits) == (["train", "test"] if len(keys) == 4 else ["train"])


def test_splits_of_medmnist(read: Read) -> None:
    column = LABELS[:, None].astype(np.uint8)
    arrays = {f"{split}_images": GREY for split in ("train", "val", "test")}
    found = read(**arrays, **{f"{split}_labels": column for split in ("train", "val", "test")})
    assert list(found.splits) == ["train", "valid", "test"]
    assert found.converted == {"labels of one column flattened": 18}


def test_labels_become_classes_by_their_value(read: Read) -> None:
    found = read(images=GREY, labels=np.array([7, 3, 7, 3, 7, 40], np.uint8), note=np.zeros(2))
    assert found.classes == ["3", "7", "40"]
    assert found.splits["train"].labels.tolist() == [1, 0, 1, 0, 1, 2]
    assert found.ignored == 1


@pytest.mark.parametrize("kind", [str, bytes])
def test_named_classes(read: Read, kind: type) -> None:
    names = np.array(["cat", "dog"], dtype=kind)
    assert read(images=GREY, labels=LABELS, classes=names).classes == ["cat", "dog"]
    more = np.array(["ape", "cat", "dog"], dtype=kind)
    assert read(images=GREY, labels=LABELS + 1, classes=more).classes == ["cat", "dog"]


def test_floating_point_is_scaled(read: Read) -> None:
    found = read(images=(GREY / 255).astype(np.float32), labels=LABELS)
    assert np.array_equal(found.splits["train"].images[:, 0], GREY)
    assert found.converted == {"floating point scaled by 255": 6}


def test_resizing_and_channels(read: Read) -> None:
    found = read({"resolution": 4, "channels": 3}, images=np.full((6, 8, 10), 77, np.uint8), labels=LABELS)
    assert found.splits["train"].images.shape == (6, 3, 4, 4)
    assert np.all(found.splits["train"].images == 77)
    assert found.converted == {"resized from 8 x 10": 6, "centre-cropped": 6, "grey to RGB": 6}
    found = read({"channels": 1}, images=np.full((6, 8, 10, 3), 77, np.uint8), labels=LABELS)
    assert found.splits["train"].images.shape == (6, 1, 8, 8)
    assert np.all(found.splits["train"].images == 77)


@pytest.mark.parametrize(
    ("keys", "notes"),
    [
        ({"crop": 0.5}, {"resized from 8 x 8": 6, "centre-cropped": 6}),
        ({"fit": "letterbox", "resolution": 4}, {"resized from 8 x 8": 6}),
    ],
)
def test_arrays_are_cropped_like_photos(read: Read, keys: dict[str, Any], notes: dict[str, int]) -> None:
    found = read(keys, images=RGB, labels=LABELS)
    side = keys.get("resolution", 8)
    wanted = [square(Image.fromarray(image), side, keys.get("crop", 1.0), keys.get("fit", "crop")) for image in RGB]
    assert np.array_equal(found.splits["train"].images, wanted)
    assert found.converted == notes


def explode() -> None:
    raise AssertionError("a pickle was loaded")


class Bomb:
    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return explode, ()


def test_pickles_are_never_loaded(read: Read) -> None:
    with pytest.raises(UserError, match=r"key 'labels', is an object array.*never"):
        read(images=GREY, labels=np.array([Bomb()] * 6))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, "no training images .its keys: none"),
        ({"test_images": GREY, "test_labels": LABELS}, "no training images .its keys: test_images, test_labels"),
        ({"images": GREY}, "'images' but no 'labels'"),
        ({"y_train": LABELS}, "'y_train' but no 'x_train'"),
        ({"images": GREY, "labels": LABELS, "x": GREY, "y": LABELS}, "two sets of train images"),
        ({"images": GREY, "labels": LABELS, "x_test": GREY, "y_test": LABELS}, "rename them to train_images"),
        ({"images": GREY[0], "labels": LABELS}, r"'images': images of shape \(8, 8\); allowed"),
        ({"images": np.zeros((6, 8, 8, 4), np.uint8), "labels": LABELS}, r"shape \(6, 8, 8, 4\)"),
        ({"images": np.zeros((6, 3, 8, 3), np.uint8), "labels": LABELS}, r"shape \(6, 3, 8, 3\)"),
        ({"images": GREY[:0], "labels": LABELS[:0]}, r"shape \(0, 8, 8, 1\)"),
        ({"images": np.uint8(3), "labels": LABELS}, r"shape \(\)"),
        ({"images": GREY.astype(int), "labels": LABELS}, "type int64; allowed are uint8"),
        ({"images": GREY > 9, "labels": LABELS}, "type bool; allowed are uint8"),
        ({"images": GREY.astype(float), "labels": LABELS}, "from 0 to 25.; allowed is 0 to 1: divide by 255"),
        ({"images": GREY / 255 - 0.5, "labels": LABELS}, "from -0.5 to 0.5; allowed is 0 to 1"),
        ({"images": np.full((6, 8, 8), np.nan), "labels": LABELS}, "NaN"),
        ({"images": GREY, "labels": LABELS[:5]}, "'labels': 5 labels for 6 images of 'images'"),
        ({"images": GREY, "labels": LABELS.astype(float)}, "labels of type float64"),
        ({"images": GREY, "labels": np.array(["cat"] * 6)}, "labels of type <U3"),
        ({"images": GREY, "labels": LABELS - 1}, "negative label -1"),
        ({"images": GREY, "labels": np.full(6, 2**64 - 1)}, "too large"),
        ({"images": GREY, "labels": np.eye(6)[:, :2]}, r"shape \(6, 2\).*argmax"),
        ({"images": GREY, "labels": LABELS, "classes": np.array(["a"])}, "1 names for 2 classes"),
        ({"images": GREY, "labels": LABELS, "classes": np.array(["a", "a"])}, "stands twice"),
        ({"images": GREY, "labels": LABELS, "classes": np.array([1, 2])}, "one text a class"),
        ({"images": GREY, "labels": LABELS, "classes": np.array([b"\xff", b"a"])}, "not UTF-8"),
        ({"images": GREY[:, :2, :2], "labels": LABELS}, "2 x 2 pixels, but at least 4"),
        (
            {"x_train": GREY, "y_train": LABELS, "x_test": RGB, "y_test": LABELS},
            r"different shapes \[\(8, 8, 1\), \(8, 8, 3\)\]",
        ),
    ],
)
@pytest.mark.filterwarnings("error")
def test_bad_arrays(read: Read, arrays: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        read(**arrays)


def test_bad_files(tmp_path: Path) -> None:
    def refused(words: str, name: str = "a.npz") -> None:
        with pytest.raises(UserError, match=words) as caught:
            read_npz(Data(source="npz", path=str(tmp_path / name)))
        assert str(tmp_path / name) in str(caught.value)

    refused("does not exist")
    refused("is a folder .set data.source: folder", "")
    np.save(tmp_path / "a.npy", GREY)
    refused("not an .npz archive; save it with numpy.savez", "a.npy")
    np.savez(tmp_path / "a.npz", images=GREY, labels=LABELS)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[300] ^= 255
    (tmp_path / "a.npz").write_bytes(content)
    refused("key 'images', cannot be read .*CRC")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.txt", "hello")
    refused("key 'images.txt', is not an array")
