from __future__ import annotations

import numpy as np
import pytest

import nas_steps.data.duplicates as module
from nas_steps.data.arrays import Labelled
from nas_steps.data.duplicates import find_duplicates, fingerprints, sketch


def labelled(images: np.ndarray) -> Labelled:
    return Labelled(images, np.zeros(len(images), np.int64))


def prints(images: np.ndarray) -> list[bytes]:
    return fingerprints({"train": labelled(images)})["train"]


def test_duplicates() -> None:
    images = np.arange(7, dtype=np.uint8)[:, None, None, None].repeat(4, axis=2)
    images[3] = images[0]
    images[5] = images[0]
    images[6] = images[2]
    found = find_duplicates(prints(images), np.array([0, 0, 0, 0, 1, 0, 1]))
    assert found.groups == [[0, 3, 5], [2, 6]]
    assert found.keep.tolist() == [True, True, False, False, True, False, False]
    assert (found.same_class, found.other_class) == (2, 2)
    none = find_duplicates(prints(images[[0, 1, 2, 4]]), np.zeros(4, int))
    assert none.groups == []
    assert none.keep.all()


def test_images_that_differ_in_one_value_alone_are_no_duplicates() -> None:
    images = np.zeros((40, 3, 64, 64), np.uint8)
    images.reshape(40, -1)[np.arange(1, 40), np.arange(1, 40)] = 1
    assert len({sketch(image) for image in images}) < 40  # most have the same sketch
    assert len(set(prints(images))) == 40
    images[7] = images[30]
    assert find_duplicates(prints(images), np.zeros(40, int)).groups == [[7, 30]]


def test_sketches_are_compared_across_splits() -> None:
    random = np.random.default_rng(0)
    train, test = random.integers(0, 256, (2, 5, 3, 64, 64), np.uint8)
    test[2], test[3] = train[4], train[1]
    test[3, 0, 0, 1] ^= 1  # a value that a sketch leaves out
    assert sketch(test[3]) == sketch(train[1])
    found = fingerprints({"train": labelled(train), "test": labelled(test)})
    assert [one in found["train"] for one in found["test"]] == [False, False, True, False, False]


def test_pixels_are_hashed_only_where_sketches_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 64, 64), np.uint8)
    images[8] = images[2]
    plain, hashed = module._hash, []

    def noted(values: np.ndarray) -> bytes:
        hashed.append(values.size)
        return plain(values)

    monkeypatch.setattr(module, "_hash", noted)
    found = prints(images)
    assert found[2] == found[8]
    assert [size for size in hashed if size == images[0].size] == [images[0].size] * 2
    assert max(size for size in hashed if size < images[0].size) < 2 * module.SKETCHED
