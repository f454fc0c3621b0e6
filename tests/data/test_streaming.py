"""Images that do not fit into memory: the same batches, read ahead, from files that are not mapped."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import nas_steps.data.batches as batches_module
import nas_steps.data.store as store_module
from nas_steps.config.section import Augment
from nas_steps.data.ahead import ahead
from nas_steps.data.batches import DeviceImages
from nas_steps.data.rows import Joined, Rows, chunks, rows_of
from nas_steps.data.store import Split, merge, part_of
from nas_steps.data.streaming import DEPTH

IMAGES = np.random.default_rng(0).integers(0, 256, (53, 3, 8, 8), np.uint8)
LABELS = np.arange(53)
ALL = Augment(flip=True, crop=2, cutout=4, randaugment=2)


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray:
    np.save(tmp_path / "images.npy", IMAGES)
    return np.load(tmp_path / "images.npy", mmap_mode="r")


@pytest.fixture
def streamed(mapped: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> DeviceImages:
    monkeypatch.setattr(batches_module, "CPU_LIMIT", IMAGES.nbytes - 1)
    data = DeviceImages(mapped, LABELS, [0.4] * 3, [0.3] * 3, "cpu", 10)
    assert data._resident is None
    assert isinstance(data._mapped, Rows)
    return data


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


@pytest.mark.parametrize("start", [0, 1, 7, 13])
@pytest.mark.parametrize("keys", [{"shuffle": False}, {"shuffle": True, "seed": 1, "augment": ALL}])
def test_streamed_batches_are_those_of_images_in_memory(
    streamed: DeviceImages, monkeypatch: pytest.MonkeyPatch, start: int, keys: dict
) -> None:
    monkeypatch.setattr(batches_module, "CPU_LIMIT", IMAGES.nbytes)
    resident = DeviceImages(IMAGES, LABELS, [0.4] * 3, [0.3] * 3, "cpu", 10)
    assert resident._resident is not None
    ours, theirs = (list(data.batches(4, start=start, **keys)) for data in (streamed, resident))
    assert len(ours) == len(theirs) == streamed.steps(4, shuffle=keys["shuffle"]) - start
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
    assert not readers()


def test_threads_end_when_the_batches_are_dropped(streamed: DeviceImages) -> None:
    batches = streamed.batches(4, shuffle=True, seed=0)
    next(batches)
    assert readers()
    del batches
    assert not readers()


def test_no_more_batches_wait_than_said(streamed: DeviceImages, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    gather = Rows.gather
    monkeypatch.setattr(Rows, "gather", lambda rows, chosen, out: (read.append(len(chosen)), gather(rows, chosen, out)))
    batches = streamed.batches(4, shuffle=False)
    next(batches)
    time.sleep(0.1)
    assert len(read) == DEPTH
    assert len(list(batches)) == 13
    assert len(read) == 14


def test_a_file_that_ends_too_early_is_told(streamed: DeviceImages, tmp_path: Path) -> None:
    with (tmp_path / "images.npy").open("r+b") as file:
        file.truncate(2000)
    with pytest.raises(EOFError, match="bytes too early"):
        list(streamed.batches(4, shuffle=False))
    assert not readers()


def test_rows_are_indexed_like_an_array(mapped: np.ndarray) -> None:
    rows = rows_of(mapped)
    assert isinstance(rows, Rows)
    assert (rows.shape, rows.nbytes, len(rows), rows.dtype) == (IMAGES.shape, IMAGES.nbytes, 53, np.uint8)
    for chosen in (5, slice(3, 9), slice(None), np.array([4, 5, 6, 2, 2, 50]), np.array([], int), slice(9, 3)):
        assert np.array_equal(rows[chosen], IMAGES[chosen])
    some = np.array([40, 3, 4, 5, 52])
    taken = rows.take(some)
    assert np.array_equal(taken[1:4], IMAGES[some][1:4])
    assert np.array_equal(np.asarray(taken.take(np.array([4, 0]))), IMAGES[[52, 40]])
    assert np.array_equal(np.concatenate(list(chunks(taken, 2 * 192))), IMAGES[some])
    assert rows_of(IMAGES) is IMAGES
    assert rows_of(mapped[3:]) is not rows  # a part of a mapped file is read through its map
    assert np.array_equal(rows_of(mapped[3:]), IMAGES[3:])


def test_large_splits_are_joined_and_thinned_in_their_files(
    mapped: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = Split(mapped, LABELS % 2), Split(IMAGES[:9], LABELS[:9] % 2)
    small = merge(one, other), part_of(merge(one, other), 0.5, ["a", "b"], 3)
    monkeypatch.setattr(store_module, "IN_MEMORY", 1000)
    large = merge(one, other), part_of(merge(one, other), 0.5, ["a", "b"], 3)
    for ours, theirs in zip(large, small, strict=True):
        assert isinstance(ours.images, Joined)
        assert isinstance(theirs.images, np.ndarray)
        assert np.array_equal(np.asarray(ours.images), theirs.images)
        assert np.array_equal(ours.labels, theirs.labels)
    monkeypatch.setattr(batches_module, "CPU_LIMIT", 1000)
    pairs = [DeviceImages(split.images, split.labels, [0.4] * 3, [0.3] * 3, "cpu") for split in (large[1], small[1])]
    for ours, theirs in zip(*(data.batches(4, shuffle=True, seed=2, augment=ALL) for data in pairs), strict=True):
        assert torch.equal(ours[0], theirs[0])


def test_work_ahead_keeps_its_order_and_raises_errors_in_their_place() -> None:
    def make(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        if number == 20:
            raise ValueError("twenty")
        return number

    assert list(ahead(make, range(20), threads=3, depth=5)) == list(range(20))
    found = []
    with pytest.raises(ValueError, match="twenty"):
        found.extend(ahead(make, range(30), threads=3, depth=5))
    assert not readers()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_gets_the_same_batches(mapped: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    resident = DeviceImages(IMAGES, LABELS, [0.4] * 3, [0.3] * 3, "cuda")
    monkeypatch.setattr(batches_module, "GPU_SHARE", 0.0)
    data = DeviceImages(mapped, LABELS, [0.4] * 3, [0.3] * 3, "cuda")
    assert resident._resident is not None
    assert data._resident is None
    for one, other in zip(
        *(each.batches(4, shuffle=True, seed=1, augment=ALL) for each in (data, resident)), strict=True
    ):
        assert one[0].is_cuda
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
