from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nas_steps.data.writing as module
from nas_steps.config.data import Data
from nas_steps.data.prepare import prepare
from nas_steps.data.settings import DataSettings
from nas_steps.data.store import SPLITS, load_split, read_meta
from nas_steps.data.writing import SMALLEST_STD, levels, mean_and_std
from nas_steps.errors import UserError

Prepare = Callable[..., dict[str, Any]]
Make = Callable[..., Path]
FLOWERS = Path(__file__).resolve().parents[3] / "shared" / "data" / "flowers5.zip"


def sizes(meta: dict[str, Any]) -> dict[str, int]:
    return {name: sum(counts.values()) for name, counts in meta["counts"].items()}


def test_digits_are_split_in_proportion(run_prepare: Prepare, tmp_path: Path) -> None:
    meta = run_prepare("digits", resolution=None)
    total = {label: sum(meta["counts"][split][label] for split in SPLITS) for label in meta["classes"]}
    assert sum(total.values()) == 1797
    for split, share in (("train", 0.6), ("valid", 0.2), ("test", 0.2)):
        for label, count in meta["counts"][split].items():
            assert abs(count - share * total[label]) < 1
    images = {split: load_split(tmp_path / "out", split).images for split in SPLITS}
    everything = [image.tobytes() for part in images.values() for image in part]
    assert len(everything) == len(set(everything)) == 1797  # no two digits are alike, so: disjoint and exhaustive


def test_files_are_as_promised(run_prepare: Prepare, tmp_path: Path) -> None:
    meta = run_prepare("digits", resolution=None, max_train=50)
    out = tmp_path / "out"
    assert json.loads((out / "meta.json").read_text()) | {"ignored": 0} == meta
    names = sorted(f"{split}_{kind}.npy" for split in SPLITS for kind in ("images", "labels"))
    assert sorted(file.name for file in out.iterdir()) == ["meta.json", *names]
    assert {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names} == meta["checksums"]
    for split in SPLITS:
        images, labels = np.load(out / f"{split}_images.npy"), np.load(out / f"{split}_labels.npy")
        assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
        assert images.shape == (len(labels), *meta["shape"])
        assert np.bincount(labels, minlength=10).tolist() == list(meta["counts"][split].values())
    assert sizes(meta)["train"] == 50
    assert meta["shape"] == [1, 8, 8]
    assert str(tmp_path) not in (out / "meta.json").read_text()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_split(
    run_prepare: Prepare, photos: Make, tmp_path: Path
) -> None:
    root = photos({"cat": 12, "dog": 9})
    first, again = run_prepare("folder", root, out="a"), run_prepare("folder", root, out="b")
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
    moved = tmp_path / "elsewhere" / "photos"
    shutil.copytree(root, moved)
    assert run_prepare("folder", moved, out="c") == first == again
    other = run_prepare("folder", root, seed=1, out="d")
    assert other["content"] != first["content"]
    assert other["counts"] == first["counts"]


def test_own_splits_are_kept(run_prepare: Prepare, photos: Make) -> None:
    root = photos({f"{split}/{kind}": 5 for split in ("train", "valid", "test") for kind in ("cat", "dog")})
    meta = run_prepare("folder", root)
    assert meta["own_splits"] == ["train", "valid", "test"]
    assert sizes(meta) == {"train": 10, "valid": 10, "test": 10}
    shutil.rmtree(root / "test")
    meta = run_prepare("folder", root, test=0.4)
    assert meta["own_splits"] == ["train", "valid"]
    assert sizes(meta) == {"train": 6, "valid": 10, "test": 4}


def test_valid_is_a_share_of_what_is_not_test(run_prepare: Prepare, photos: Make, tmp_path: Path) -> None:
    root = photos({"train/cat": 20, "train/dog": 10, "test/cat": 30, "test/dog": 30})
    meta = run_prepare("folder", root, valid=0.3, test=0.1)
    assert meta["counts"]["valid"] == {"cat": 6, "dog": 3}
    assert meta["counts"]["train"] == {"cat": 14, "dog": 7}
    assert meta["counts"]["test"] == {"cat": 30, "dog": 30}
    test = load_split(tmp_path / "out", "test").images
    other = run_prepare("folder", root, valid=0.3, seed=5, out="other")
    assert np.array_equal(test, load_split(tmp_path / "other", "test").images)
    assert other["checksums"]["train_images.npy"] != meta["checksums"]["train_images.npy"]


def test_an_npz_with_its_own_test_split(run_prepare: Prepare, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
    labels = np.arange(60) % 3
    path = tmp_path / "a.npz"
    np.savez(path, x_train=images[:45], y_train=labels[:45], x_test=images[45:], y_test=labels[45:])
    meta = run_prepare("npz", path, resolution=None, max_test=9)
    assert sizes(meta) == {"train": 36, "valid": 9, "test": 9}
    assert meta["own_splits"] == ["train", "test"]


def test_subsampling_thins_each_split(run_prepare: Prepare) -> None:
    meta = run_prepare("digits", max_train=100, max_valid=40, max_test=10)
    assert sizes(meta) == {"train": 100, "valid": 40, "test": 10}
    assert set(meta["counts"]["test"].values()) == {1}
    with pytest.raises(UserError, match=r"data\.max_valid is 9, but there are 10 classes"):
        run_prepare("digits", max_valid=9)


def test_duplicates_are_treated_where_we_split(run_prepare: Prepare, photos: Make, tmp_path: Path) -> None:
    root = photos({"cat": 8, "dog": 8})
    shutil.copy(root / "cat" / "0.png", root / "cat" / "copy.png")
    shutil.copy(root / "cat" / "1.png", root / "dog" / "which.png")
    meta = run_prepare("folder", root)
    assert sum(sizes(meta).values()) == 18 - 1 - 2
    assert meta["duplicates"] == {
        "groups": 2,
        "same_class_left_out": 1,
        "other_class_left_out": 2,
        "files": [["cat/0.png", "cat/copy.png"], ["cat/1.png", "dog/which.png"]],
    }
    everything = [image.tobytes() for split in SPLITS for image in load_split(tmp_path / "out", split).images]
    assert len(set(everything)) == len(everything)


def test_duplicates_across_own_splits_are_only_counted(run_prepare: Prepare, photos: Make, photo: Make) -> None:
    root = photos({f"{split}/{kind}": 4 for split in ("train", "valid", "test") for kind in ("cat", "dog")})
    # the fixture's pixels depend on class and number, so each valid and test image stands in train too
    meta = run_prepare("folder", root)
    assert sizes(meta) == {"train": 8, "valid": 8, "test": 8}
    assert meta["duplicates_across_splits"] == 16
    for kind in ("cat", "dog"):
        for index in range(4):
            photo(root / "train" / kind / f"{index}.png", (13, 13))  # now valid and test alone are alike
    assert run_prepare("folder", root)["duplicates_across_splits"] == 8
    assert meta["duplicates"]["groups"] == 0


def test_mean_and_std_are_of_train_alone(run_prepare: Prepare, photos: Make, tmp_path: Path) -> None:
    meta = run_prepare("folder", photos({"cat": 20, "dog": 20}), max_train=10)
    train = load_split(tmp_path / "out", "train").images / 255
    assert np.allclose(meta["mean"], train.mean(axis=(0, 2, 3)), atol=1e-12)
    assert np.allclose(meta["std"], train.std(axis=(0, 2, 3)), atol=1e-12)


def test_mean_and_std_of_a_large_train_are_those_of_every_kth_image(
    run_prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WRITTEN", 2 * 64)
    monkeypatch.setattr(module, "COUNTED", 300 * 64)
    meta = run_prepare("digits")
    train = load_split(tmp_path / "out", "train").images
    every = len(train) // 300
    assert every > 2
    assert np.allclose(meta["mean"], (train[::every] / 255).mean(axis=(0, 2, 3)), atol=1e-12)
    assert np.allclose(meta["std"], (train[::every] / 255).std(axis=(0, 2, 3)), atol=1e-12)


def test_a_channel_that_never_varies_keeps_a_std() -> None:
    mean, std = mean_and_std(levels(np.full((3, 1, 4, 4), 51, np.uint8)))
    assert mean == pytest.approx([0.2])
    assert std == [SMALLEST_STD]


def test_what_was_converted_skipped_and_ignored_is_told(run_prepare: Prepare, photos: Make) -> None:
    root = photos({"cat": 5, "dog": 5})
    (root / "cat" / "bad.jpg").write_bytes(b"bad")
    (root / "cat" / "notes.txt").write_text("notes")
    meta = run_prepare("folder", root, unreadable="skip", channels=1)
    assert meta["converted"] == {"RGB to L": 10}
    assert [entry["file"] for entry in meta["skipped"]] == ["cat/bad.jpg"]
    assert meta["ignored"] == 1
    assert meta["largest_image_pixels"] == 12 * 10


def test_a_picture_that_is_too_large_is_noted_with_its_size(run_prepare: Prepare, photos: Make) -> None:
    """So that it is known whether another limit would have led to other data."""
    root = photos({"cat": 5, "dog": 5})
    Image.new("RGB", (100, 50)).save(root / "cat" / "large.png")
    (root / "cat" / "bad.jpg").write_bytes(b"bad")
    meta = run_prepare("folder", root, unreadable="skip", max_image_pixels=4999)
    assert {entry["file"]: entry["too_large_pixels"] for entry in meta["skipped"]} == {
        "cat/bad.jpg": 0,
        "cat/large.png": 5000,
    }
    assert meta["largest_image_pixels"] < 4999
    assert run_prepare("folder", root, unreadable="skip", max_image_pixels=5000)["largest_image_pixels"] == 5000


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"cat": 9}, r"only one class \(cat\)"),
        ({"cat": 9, "dog": 2}, "class dog has 2 .*each class needs 3, one for each"),
        ({"train/cat": 1, "train/dog": 4, "test/cat": 1, "test/dog": 1}, "train, valid: class cat has 1 .*needs 2"),
    ],
)
def test_too_little_to_split(
    run_prepare: Prepare, photos: Make, tmp_path: Path, counts: dict[str, int], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        run_prepare("folder", photos(counts))
    assert not (tmp_path / "out").exists()


def test_a_class_whose_files_are_all_unreadable(run_prepare: Prepare, photos: Make) -> None:
    root = photos({"cat": 5, "dog": 5})
    for file in (root / "dog").iterdir():
        file.write_bytes(b"bad")
    with pytest.raises(UserError, match="its train images have none of class dog"):
        run_prepare("folder", root, unreadable="skip")


def test_a_class_that_own_splits_lack(run_prepare: Prepare, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8), np.uint8)
    labels = np.arange(12) % 3
    np.savez(tmp_path / "a.npz", x_train=images, y_train=labels, x_test=images[:2], y_test=labels[:2])
    with pytest.raises(UserError, match="its test images have none of class 2"):
        run_prepare("npz", tmp_path / "a.npz")


def test_nothing_is_left_after_a_failure_while_writing(
    run_prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_prepare("digits")  # an older, whole result lies there
    save, calls = np.save, []

    def disk_full(file: Any, array: np.ndarray, **keys: Any) -> None:
        calls.append(array.shape)
        if len(calls) == 2:
            file.write(b"half of it")
            raise OSError(28, "No space left on device")
        save(file, array, **keys)

    monkeypatch.setattr(module.np, "save", disk_full)
    with pytest.raises(OSError, match="No space left"):
        run_prepare("digits", seed=1)
    left = {file.name for file in (tmp_path / "out").iterdir()}
    assert left == {"test_images.npy", "test_labels.npy"}  # of the older result; without meta.json nobody reads them
    with pytest.raises(UserError, match=r"meta\.json is missing"):
        read_meta(tmp_path / "out")


@pytest.mark.skipif(not FLOWERS.is_file(), reason="the photos are not here")
def test_real_photos(run_prepare: Prepare) -> None:
    meta = run_prepare("folder", FLOWERS, resolution=32)
    found = {label: sum(meta["counts"][split][label] for split in SPLITS) for label in meta["classes"]}
    # 764, 1052, 784, 733 and 984 files; 4 pairs are both a rose and a tulip, 2 sunflowers are there twice
    assert found == {"daisy": 764, "dandelion": 1052, "rose": 780, "sunflower": 731, "tulip": 980}
    assert meta["duplicates"]["groups"] == 6
    assert meta["duplicates"]["same_class_left_out"] == 2
    assert meta["duplicates"]["other_class_left_out"] == 8
    assert meta["shape"] == [3, 32, 32]
    assert sum(sizes(meta).values()) == 4317 - 10


def test_grey_arrays_are_no_images_for_weights_of_colours(tmp_path: Path) -> None:
    path = tmp_path / "grey.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8), labels=np.arange(40) % 2)
    colours = ([0.4, 0.5, 0.6], [0.2, 0.2, 0.2])
    data = {"source": "npz", "path": str(path)}
    with pytest.raises(UserError, match=r"are grey, but weights read 3 channels; set data.channels: 3"):
        prepare(DataSettings(seed=0, data=Data(**data), normalisation=colours), tmp_path / "grey")
    assert not (tmp_path / "grey").exists()
    meta = prepare(DataSettings(seed=0, data=Data(**data, channels=3), normalisation=colours), tmp_path / "rgb")
    assert (meta["shape"], meta["mean"]) == ([3, 8, 8], [0.4, 0.5, 0.6])
