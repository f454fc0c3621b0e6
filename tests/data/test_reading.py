"""Photos read by several threads, what is said beforehand, and what a killed step leaves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nas_steps.data.estimate as estimate
from nas_steps.config.data import Data
from nas_steps.data import folder as module
from nas_steps.data.prepare import prepare
from nas_steps.data.settings import DataSettings
from nas_steps.data.store import SPLITS, load_split
from nas_steps.errors import UserError
from nas_steps.provenance.files import write_json

Prepare = Callable[..., dict[str, Any]]
Make = Callable[..., Path]
Usage = namedtuple("Usage", "total used free")


def varied(photos: Make) -> Path:
    """Two classes of photos of all kinds: damaged, turned, deep, duplicates, more than one thread takes at once."""
    root = photos({"cat": 40, "dog": 35})
    for index in range(3):
        (root / "cat" / f"{index}.png").write_bytes(b"bad" * index)
    shutil.copy(root / "cat" / "20.png", root / "dog" / "which.png")
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (30, 20), "red").save(root / "dog" / "turned.jpg", exif=exif)
    for index in range(4):
        deep = np.random.default_rng(index).integers(0, 4096 if index else 900, (9, 9))
        Image.fromarray(deep.astype(np.uint16)).save(root / "dog" / f"deep{index}.png")
    return root


def at(path: Path, **keys: Any) -> DataSettings:
    return DataSettings(seed=0, data=Data(source="folder", path=str(path), **{"resolution": 8, **keys}))


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_any_number_of_threads_gives_the_same_files(photos: Make, tmp_path: Path) -> None:
    root = varied(photos)
    made = [prepare(at(root, unreadable="skip"), tmp_path / str(threads), threads=threads) for threads in (1, 2, 3)]
    assert made[0] == made[1] == made[2]
    assert files(tmp_path / "1") == files(tmp_path / "2") == files(tmp_path / "3")
    assert made[0]["bits"] == 12
    assert [entry["file"] for entry in made[0]["skipped"]] == ["cat/0.png", "cat/1.png", "cat/2.png"]
    assert made[0]["duplicates"]["other_class_left_out"] == 2


def test_any_number_of_threads_names_the_same_unreadable_files(photos: Make, tmp_path: Path) -> None:
    root = photos({"cat": 60, "dog": 60})
    for index in range(5, 60, 3):
        (root / "cat" / f"{index}.png").write_bytes(b"bad")
    messages = set()
    for threads in (1, 2, 3):
        with pytest.raises(UserError, match="there may be more") as caught:
            prepare(at(root), tmp_path / "out", threads=threads)
        messages.add(str(caught.value))
    assert len(messages) == 1
    assert not (tmp_path / "out").exists()


def test_files_are_those_that_numpy_would_write(photos: Make, tmp_path: Path) -> None:
    prepare(at(photos({"cat": 9, "dog": 9})), tmp_path / "out", threads=2)
    for split in SPLITS:
        np.save(tmp_path / "again.npy", np.array(load_split(tmp_path / "out", split).images))
        assert (tmp_path / "again.npy").read_bytes() == (tmp_path / "out" / f"{split}_images.npy").read_bytes()


def test_too_small_a_disk_is_told_before_a_photo_is_decoded(
    photos: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = photos({"cat": 10, "dog": 10})
    monkeypatch.setattr(module, "Reader", None)
    monkeypatch.setattr(estimate.shutil, "disk_usage", lambda _place: Usage(0, 0, 6_000_000))
    with pytest.raises(UserError) as caught:
        prepare(at(root, resolution=400), tmp_path / "out")
    message = str(caught.value)
    assert "20 photos at 400 x 400 pixels need 19.2 MB on the disk of" in message
    assert "(9.6 MB while they are read, 9.6 MB of arrays), but 6.0 MB are free" in message
    assert "lower data.resolution (223 pixels would fit), or make room" in message
    assert "\n" not in message
    # as many as fit: half of the arrays
    monkeypatch.setattr(estimate.shutil, "disk_usage", lambda _place: Usage(0, 0, 14_000_000))
    with pytest.raises(UserError, match=r"set data\.max_train, data\.max_valid and data\.max_test"):
        prepare(at(root, resolution=400), tmp_path / "out")
    with pytest.raises(TypeError):  # it goes on to the reader, which is none
        prepare(at(root, resolution=400, max_train=2, max_valid=2, max_test=2), tmp_path / "out")


def test_size_and_time_are_told_beforehand(
    photos: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(estimate, "FEW", 18)
    prepare(at(photos({"cat": 9, "dog": 9}), resolution=16), tmp_path / "out", threads=2)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("18 photos at 16 x 16 pixels: 0.0 MB of arrays")
    assert line.endswith("; about 1 s on 2 threads")


def test_photos_much_smaller_than_the_default_are_refused_where_no_resolution_is_set(
    photo: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = tmp_path / "tiny"
    for name in ("cat", "dog"):
        for index in range(4):
            photo(tiny / name / f"{index}.png", (16, 16))
            photo(tmp_path / "small" / name / f"{index}.png", (110, 100))
    with pytest.raises(UserError, match=r"have 16 pixels .* set data\.resolution: 16, or 128 to enlarge") as caught:
        prepare(at(tiny, resolution=None), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert prepare(at(tiny, resolution=16), tmp_path / "out")["shape"] == [3, 16, 16]
    meta = prepare(at(tmp_path / "small", resolution=None), tmp_path / "out")
    assert (meta["shape"], meta["converted"]) == ([3, 128, 128], {"enlarged": 8})
    assert "warning: the photos in" in capsys.readouterr().out


def test_a_class_with_one_photo_is_refused_before_any_is_decoded(
    photos: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Reader", None)
    with pytest.raises(UserError, match=r"class dog has 1 .*each class needs 3, one for each; add images"):
        prepare(at(photos({"cat": 9, "dog": 1})), tmp_path / "out")


def test_a_full_disk_ends_the_reading(photos: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        prepare(at(photos({"cat": 9, "dog": 9})), tmp_path / "out", threads=2)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_step_leaves_nothing(photos: Make, tmp_path: Path, number: signal.Signals) -> None:
    root = photos({"cat": 300, "dog": 300})
    settings = tmp_path / "data.json"
    write_json(settings, at(root, resolution=256).model_dump(mode="json"))
    command = [sys.executable, "-m", "nas_steps.data", "--settings", str(settings), "--path", str(root)]
    place = tmp_path / "place"
    place.mkdir()
    with (tmp_path / "log").open("w+") as log:
        child = subprocess.Popen([*command, "--threads", "2", "--output", str(place / "out")], stdout=log, stderr=log)
        while "reading images" not in (tmp_path / "log").read_text() and child.poll() is None:
            time.sleep(0.01)
        child.send_signal(number)
        assert child.wait(30) != 0
    assert not list(place.rglob("*.npy"))
    assert not list(place.rglob("*partial*"))
    assert not list(place.rglob("meta.json"))
