from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_steps.data.store import Split, load_split, merge, read_meta, split_file
from nas_steps.errors import UserError


@pytest.fixture
def folder(tmp_path: Path, run_prepare: Callable[..., dict[str, Any]]) -> Path:
    run_prepare("digits", max_train=30, max_valid=20, max_test=10)
    return tmp_path / "out"


def test_meta(folder: Path) -> None:
    meta = read_meta(folder)
    written = json.loads((folder / "meta.json").read_text())
    assert meta.classes == tuple("0123456789")
    assert meta.shape == (1, 8, 8)
    assert meta.side == 8
    assert [meta.size(name) for name in ("train", "valid", "test")] == [30, 20, 10]
    assert list(meta.mean) == written["mean"]
    assert list(meta.std) == written["std"]
    assert meta.content == written["content"]
    assert meta.checksums["test_images.npy"] == written["checksums"]["test_images.npy"]


def test_a_split_is_mapped_and_read_only(folder: Path) -> None:
    split = load_split(folder, "valid")
    assert len(split) == 20
    assert isinstance(split.images, np.memmap)
    assert not split.images.flags.writeable
    assert np.array_equal(split.images, np.load(folder / "valid_images.npy"))
    assert split.labels.tolist() == np.load(folder / "valid_labels.npy").tolist()


def test_merging(folder: Path) -> None:
    train, valid = load_split(folder, "train"), load_split(folder, "valid")
    both = merge(train, valid)
    assert isinstance(both, Split)
    assert np.array_equal(both.images, np.concatenate([train.images, valid.images]))
    assert both.labels.tolist() == train.labels.tolist() + valid.labels.tolist()


def test_file_names() -> None:
    assert split_file("a", "test") == Path("a/test_images.npy")
    assert split_file("a", "train", "labels") == Path("a/train_labels.npy")
    with pytest.raises(ValueError, match="unknown split 'val'"):
        split_file("a", "val")


@pytest.mark.parametrize("content", ["{}", "[]", '{"shape": [1, 8]}', "null"])
def test_a_meta_of_another_kind(folder: Path, content: str) -> None:
    (folder / "meta.json").write_text(content)
    with pytest.raises(UserError, match=r"not as this version writes it.*delete that folder"):
        read_meta(folder)


@pytest.mark.parametrize(
    ("kind", "array", "words"),
    [
        ("images", None, "is missing"),
        ("labels", None, "is missing"),
        ("images", np.zeros((10, 1, 8, 8)), "type float64, not uint8"),
        ("images", np.zeros((9, 1, 8, 8), np.uint8), r"shape \(9, 1, 8, 8\), not \(10, 1, 8, 8\)"),
        ("images", np.zeros((10, 8, 8), np.uint8), "shape"),
        ("labels", np.zeros(10, np.int32), "type int32, not int64"),
        ("labels", np.zeros(10, np.int64), "other labels"),
        ("labels", np.arange(10) - 1, "other labels"),
        ("labels", np.arange(10) + 5, "other labels"),
        ("labels", np.arange(10)[:, None], "other labels"),
        ("labels", np.array([{}] * 10), "cannot be read"),
    ],
)
def test_files_that_do_not_agree_with_meta(folder: Path, kind: str, array: np.ndarray | None, words: str) -> None:
    path = split_file(folder, "test", kind)
    path.unlink()
    if array is not None:
        np.save(path, array)
    with pytest.raises(UserError, match=words) as caught:
        load_split(folder, "test")
    assert str(path) in str(caught.value)
    assert "delete that folder" in str(caught.value)


def test_a_file_cut_short(folder: Path) -> None:
    path = folder / "train_images.npy"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match="cannot be read"):
        load_split(folder, "train")
