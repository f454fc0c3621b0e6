"""The data step as it is run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nas_steps.config.data import Data
from nas_steps.data.__main__ import main
from nas_steps.data.settings import DataSettings
from nas_steps.provenance.files import write_json


def settings(folder: Path, **keys: object) -> Path:
    step = DataSettings(seed=0, data=Data(**keys))  # type: ignore[arg-type]
    write_json(folder / "settings.json", step.model_dump(mode="json"))
    return folder / "settings.json"


def run(file: Path, output: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nas_steps.data", "--settings", str(file), "--output", str(output)]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, encoding="utf-8", check=False)


def test_the_step_writes_the_data_and_its_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    main(["--settings", str(settings(tmp_path, max_train=20)), "--output", str(out)])
    meta, cost = (json.loads((out / name).read_text()) for name in ("meta.json", "cost.json"))
    assert (cost["stage"], cost["step"], cost["device"]) == ("data", "data", "cpu")
    assert cost["seconds"] > 0
    assert cost["extra"] == {"source": "digits", "content": meta["content"]}
    assert "20 train" in capsys.readouterr().out


def test_the_log_tells_what_was_left_out(
    tmp_path: Path, photos: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = photos({"cat": 6, "dog": 6})
    (root / "cat" / "bad.jpg").write_bytes(b"bad")
    (root / "cat" / "notes.txt").write_text("notes")
    (root / "cat" / "copy.png").write_bytes((root / "cat" / "0.png").read_bytes())
    file = settings(tmp_path, source="folder", path=str(root), unreadable="skip", resolution=8, channels=1)
    main(["--settings", str(file), "--output", str(tmp_path / "out")])
    lines = capsys.readouterr().out.splitlines()
    assert "converted: RGB to L: 13" in lines
    assert any(line.startswith("skipped: cat/bad.jpg: ") for line in lines)
    assert "duplicates left out: 1 of the same class, 0 under different classes" in lines
    assert "files that are no images, ignored: 1" in lines


def test_bad_input_is_told_without_a_traceback_and_leaves_nothing(tmp_path: Path) -> None:
    done = run(settings(tmp_path, source="folder", path=str(tmp_path / "nowhere")), tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: data.path: {tmp_path / 'nowhere'} does not exist")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_importing_the_step_loads_no_torch() -> None:
    code = "import sys, nas_steps.data.__main__; print([m for m in ('torch', 'torchvision') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize(
    "locale",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_class_names_of_any_letters_in_a_locale_of_few(
    tmp_path: Path, photos: Callable[..., Path], locale: dict[str, str]
) -> None:
    root = photos({"käse": 6, "щенок": 6})
    file = settings(tmp_path, source="folder", path=str(root), resolution=8)
    done = run(file, tmp_path / "out", **locale)
    assert done.returncode == 0, done.stderr
    assert r"2 classes (k\xe4se, \u0449\u0435\u043d\u043e\u043a)" in done.stdout
    meta = json.loads((tmp_path / "out" / "meta.json").read_text(encoding="utf-8"))
    assert meta["classes"] == ["käse", "щенок"]


def test_names_of_files_and_classes_that_are_no_utf8(tmp_path: Path, photos: Callable[..., Path]) -> None:
    root = photos({"a": 6, "b": 6, "c": 6})
    for old, new in ((b"a", b"caf\xe9"), (b"b", b"caf\xe8")):
        os.rename(os.fsencode(root) + b"/" + old, os.fsencode(root) + b"/" + new)
    for name in (b"bad \xfd.jpg", b"notes \xfc.txt"):
        Path(os.fsdecode(os.fsencode(root) + b"/c/" + name)).write_bytes(b"no image")
    os.rename(os.fsencode(root) + b"/c/0.png", os.fsencode(root) + b"/c/\xfb.png")
    shutil.copy(os.fsdecode(os.fsencode(root) + b"/c/\xfb.png"), root / "c" / "copy.png")
    done = run(settings(tmp_path, source="folder", path=str(root), resolution=8, unreadable="skip"), tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert r"3 classes (c, caf\xe8, caf\xe9)" in done.stdout
    meta = json.loads((tmp_path / "out" / "meta.json").read_text(encoding="utf-8"))
    assert [sum(counts[name] for counts in meta["counts"].values()) for name in meta["classes"]] == [6, 6, 6]
    assert [entry["file"] for entry in meta["skipped"]] == [r"c/bad \xfd.jpg"]
    assert "files that are no images, ignored: 1" in done.stdout
    assert meta["duplicates"]["files"] == [["c/copy.png", r"c/\xfb.png"]]
