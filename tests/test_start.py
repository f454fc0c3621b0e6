"""`python -m nas_steps.start`: photos and a machine become a config that fits the time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas_steps.config.load import load, read_yaml
from nas_steps.config.weights import installed
from nas_steps.errors import UserError
from nas_steps.provenance.fingerprint import PACKAGE
from nas_steps.spaces.mobile.efficientnet import LITE0
from nas_steps.start import __main__ as start
from nas_steps.start import machine as machines
from nas_steps.start import photos, probe, templates
from nas_steps.start.machine import Machine
from nas_steps.start.sizing import Sizing
from nas_steps.workflow.forecast.speeds import Speeds

ROOT = PACKAGE.parent


def write_photos(folder: Path, counts: dict[str, int], side: int = 140) -> Path:
    """Photos of noise, no two alike, wider than high."""
    random = np.random.default_rng(0)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            small = random.integers(0, 256, (side // 8, side // 8 + 3, 3), np.uint8)
            Image.fromarray(small).resize((side + 24, side)).save(folder / name / f"{number:03}.jpg")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos") / "pets", {"cat": 30, "dog": 30, "cow": 25})


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine of 2 cores without weights, whose steps need not be measured."""
    found = Machine(2, 0, False, {64: 0.2, 96: 0.45, 128: 0.85}, import_seconds=2.0)
    monkeypatch.setattr(machines, "look", lambda *_, **__: found)
    return found


def run_start(*arguments: str) -> None:
    start.main(list(arguments))


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_becomes_a_config_that_is_valid_and_says_how_long(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    zipped: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(shutil.make_archive(str(tmp_path / "pets"), "zip", folder)) if zipped else folder
    run_start(str(path), "--time", "20m")
    told = capsys.readouterr().out
    assert "Photos: 85 of 3 classes: cat 30, cow 25, dog 30" in told
    assert "shorter side in pixels: 140" in told
    assert "Machine: 2 cores; no pretrained weights" in told
    assert told.rstrip().endswith("snakemake --configfile config/pets.yaml")
    assert "Time: about " in told
    assert "measured seconds of a training step" in told
    raw = read_yaml("config/pets.yaml")
    config = load(raw)
    assert (config.experiment, config.data.path, config.weights.source) == ("pets", str(path), "none")
    assert set(config.search.strategies) == {"random", "evolution"}
    text = Path("config/pets.yaml").read_text(encoding="utf-8")
    assert text.startswith("# Written by python -m nas_steps.start for 85 photos of 3 classes")
    # an estimate of the same jobs later is the same one
    assert Speeds(start.SPEEDS).probed
    with pytest.raises(UserError, match=r"config/pets\.yaml exists and is not overwritten"):
        run_start(str(path))


def test_more_time_makes_more_work(folder: Path, tmp_path: Path, machine: Machine) -> None:
    look, speeds = photos.look(folder), Speeds(tmp_path / "speeds.json")
    speeds.add(machine.speeds())
    sizing = Sizing(look, machine, speeds)
    known = templates.sizes(look, machine)
    times = [sizing.forecast(size).seconds for size in known]
    assert times == sorted(times, reverse=True)
    chosen = sizing.choose(times[1] / 0.9 + 1)
    assert chosen.size == known[1]
    assert chosen.seconds < times[0]
    faster = Sizing(look, Machine(8, 0, False, machine.steps, 2.0), speeds)
    assert faster.forecast(known[0]).seconds < times[0]


def test_too_little_time_names_the_least(folder: Path, tmp_path: Path, machine: Machine) -> None:
    speeds = Speeds(tmp_path / "speeds.json")
    speeds.add(machine.speeds())
    sizing = Sizing(photos.look(folder), machine, speeds)
    with pytest.raises(
        UserError, match=r"--time is 30 s, too short for 85 photos here; .* give --time (\d+)m or more"
    ) as told:
        sizing.choose(30)
    least = int(str(told.value).rpartition("--time ")[2].split("m")[0])
    assert sizing.choose(60 * least).seconds <= 60 * least


def test_many_photos_in_little_time_are_thinned(folder: Path, machine: Machine) -> None:
    look = photos.look(folder)
    look.splits = {"train": {"cat": 40_000, "dog": 40_000, "cow": 40_000}}
    assert [size.max_train for size in templates.sizes(look, machine)][-2:] == [1000, 500]
    size = templates.sizes(look, machine)[-1]
    config = templates.config(size, look, machine, "x", None)
    assert config["data"]["max_train"] == 500


def test_a_latency_is_a_constraint(folder: Path, machine: Machine) -> None:
    look = photos.look(folder)
    config = templates.config(templates.sizes(look, machine)[-1], look, machine, "x", 2.5)
    assert config["search"]["constraints"] == {"latency_ms": 2.5}


def test_unreadable_files_copies_and_greys_are_told(tmp_path: Path, machine: Machine) -> None:
    folder = write_photos(tmp_path / "p", {"a": 12, "b": 40})
    shutil.copy(folder / "a" / "000.jpg", folder / "a" / "copy.jpg")
    shutil.copy(folder / "a" / "001.jpg", folder / "b" / "other.jpg")
    (folder / "b" / "broken.jpg").write_bytes(b"\xff\xd8 nothing")
    (folder / "b" / "short.jpg").write_bytes((folder / "b" / "003.jpg").read_bytes()[:600])
    Image.open(folder / "b" / "004.jpg").convert("L").save(folder / "b" / "004.jpg")
    (folder / "readme.txt").write_text("hello")
    look = photos.look(folder)
    assert (look.images, look.copies, look.grey, look.others) == (56, 1, 1, 1)
    assert look.contradictions == ["b/other.jpg is a/001.jpg"]
    assert sorted(name for name, _ in look.unreadable) == ["b/broken.jpg", "b/short.jpg"]
    assert look.unbalanced
    size = templates.sizes(look, machine)[-1]
    assert templates.config(size, look, machine, "x", None)["data"]["unreadable"] == "skip"


def test_own_splits_are_kept(tmp_path: Path) -> None:
    for split, count in {"train": 8, "val": 2, "test": 3}.items():
        write_photos(tmp_path / "p" / split, {"a": count, "b": count})
    look = photos.look(tmp_path / "p")
    assert look.splits == {"train": {"a": 8, "b": 8}, "valid": {"a": 2, "b": 2}, "test": {"a": 3, "b": 3}}


@pytest.mark.parametrize(
    ("counts", "side", "words"),
    [
        ({}, 140, "there is no folder or .zip"),
        ({"a": 30}, 140, "has only one class (a); at least two are needed"),
        ({"a": 30, "b": 1}, 140, "a class needs 3 photos or more, one each to train, validate and test, but b has 1"),
        ({"a": 20, "b": 20}, 16, "have 16 x 16 pixels or so, none has 32 a side"),
    ],
)
def test_photos_that_no_experiment_can_use_are_refused_in_one_line(
    tmp_path: Path, counts: dict[str, int], side: int, words: str
) -> None:
    if counts:
        write_photos(tmp_path / "p", counts, side)
    with pytest.raises(UserError) as told:
        photos.look(tmp_path / "p")
    assert words in str(told.value)
    assert "\n" not in str(told.value)


def test_loose_photos_and_other_classes_in_a_split_are_refused(tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "p", {"a": 4, "b": 4})
    shutil.copy(folder / "a" / "000.jpg", folder / "loose.jpg")
    with pytest.raises(UserError, match=r"1 images outside of any class folder, such as loose\.jpg"):
        photos.look(folder)
    for split, name in (("train", "a"), ("train", "b"), ("test", "a")):
        write_photos(tmp_path / "q" / split, {name: 4})
    with pytest.raises(UserError, match="have not the same classes; they differ in b"):
        photos.look(tmp_path / "q")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--latency", "5"], "--latency 5 has no unit (us, ms, s); write --latency 5ms"),
        (["--latency", "fast"], "--latency 'fast' is no time; write it such as --latency 5ms"),
        (["--latency", "5m"], "unknown unit 'm', known are us, ms, s"),
        (["--time", "30"], "--time 30 has no unit"),
        (["--time", "0m"], "--time 0m leaves nothing"),
    ],
)
def test_options_without_a_unit_are_refused(folder: Path, arguments: list[str], words: str) -> None:
    with pytest.raises(UserError) as told:
        run_start(str(folder), *arguments)
    assert words in str(told.value)


def test_quantities_add_their_parts() -> None:
    assert start.quantity("1h30m", start.TIMES, "--time", "30m") == 5400
    assert start.quantity("0.5 s", start.LATENCIES, "--latency", "5ms") == 500
    assert start.name_of("/x/My photos (2).zip") == "My_photos_2"
    assert start.name_of("data") == "data_photos"


def test_a_step_is_measured() -> None:
    found: Any = probe.main(LITE0, "cpu", 2, 0.1, [32])
    assert found["steps"]["32"] > 0


@pytest.mark.skipif(not installed("lite0"), reason="the pretrained package is not installed")
@pytest.mark.parametrize("latency", [None, 4.0])
def test_every_size_with_pretrained_weights_is_a_valid_config(folder: Path, latency: float | None) -> None:
    look, machine = photos.look(folder), Machine(2, 0, True)
    look.sides = [400]
    look.splits = {"train": {"a": 4000, "b": 1000}}
    for size in templates.sizes(look, machine):
        raw = templates.config(size, look, machine, "x", latency)
        raw["data"]["path"] = str(folder)
        config = load(raw)
        assert config.weights.source == "lite0"
        assert config.data.resolution == max(size.sides)


def test_every_size_from_nothing_is_a_valid_config(folder: Path, machine: Machine) -> None:
    look = photos.look(folder)
    for size in templates.sizes(look, machine):
        assert load(templates.config(size, look, machine, "x", None)).data.resolution == size.side


@pytest.mark.workflow
def test_the_command_ends_without_a_traceback() -> None:
    command = [sys.executable, "-m", "nas_steps.start", "nowhere"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert told.stderr == (
        "error: there is no folder or .zip nowhere; name a folder with one subfolder a class, or a .zip of one\n"
    )
