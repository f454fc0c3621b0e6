"""The text step as it is run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_up_text import prose

from nas_steps.config.text import TextData
from nas_steps.data.text.__main__ import main
from nas_steps.data.text.settings import TextSettings
from nas_steps.provenance.files import write_json
from nas_steps.provenance.fingerprint import transitive_imports

Write = Callable[..., Path]


def settings(folder: Path, **keys: Any) -> Path:
    step = TextSettings(seed=0, data=TextData(source="text", **{"context": 8, **keys}))
    write_json(folder / "settings.json", step.model_dump(mode="json"))
    return folder / "settings.json"


def test_the_step_writes_the_text_and_its_cost(
    tmp_path: Path, written: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    files: dict[str, Any] = {f"{number:02}.txt": 400 for number in range(10)} | {"notes.md": b"notes", "none.txt": b""}
    edition = prose(99, 3000)
    root = written(files | {"copy.txt": prose(2, 400), "a.txt": edition, "b.txt": edition[9:]})
    out = tmp_path / "out"
    main(["--settings", str(settings(tmp_path)), "--path", str(root), "--output", str(out)])
    meta, cost = (json.loads((out / name).read_text(encoding="utf-8")) for name in ("meta.json", "cost.json"))
    assert (cost["stage"], cost["step"], cost["device"]) == ("data", "data", "cpu")
    assert cost["extra"] == {"source": "text", "content": meta["content"]}
    lines = capsys.readouterr().out.splitlines()
    assert f"14 documents, {meta['read']['bytes']:,} bytes, fingerprint {meta['read']['fingerprint']}" in lines
    assert any(line.startswith("train: ") and "tokens of 256" in line for line in lines)
    for line in (
        "empty files, left out: 1",
        "exact copies, left out: 1",
        "groups of documents that are almost the same, each in one part if dealt out: 1",
        "files that match no pattern of data.files, ignored: 1",
    ):
        assert line in lines


def run(file: Path, output: Path) -> list[str]:
    return [sys.executable, "-m", "nas_steps.data.text", "--settings", str(file), "--output", str(output)]


def test_bad_input_is_told_without_a_traceback_and_leaves_nothing(tmp_path: Path) -> None:
    command = run(settings(tmp_path, path=str(tmp_path / "nowhere")), tmp_path / "out")
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: data.path: {tmp_path / 'nowhere'} does not exist")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_terminated_step_leaves_nothing_half_written(tmp_path: Path, written: Write) -> None:
    root = written({f"{number:02}.txt": 400 for number in range(10)})
    out = tmp_path / "out"
    stop = (
        "import os, signal, sys, nas_steps.data.text.prepare as module\n"
        "from nas_steps.data.text.__main__ import main\n"
        "from nas_steps.provenance.task import run\n"
        "def killed(*_): os.kill(os.getpid(), signal.SIGTERM)\n"
        "module.write_csv = killed\n"
        "run(main, 'nas_steps.data.text', sys.argv[1:])\n"
    )
    file = settings(tmp_path, path=str(root))
    done = subprocess.run(
        [sys.executable, "-c", stop, *run(file, out)[3:]], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert [name for name in os.listdir(out) if name != "cost.json"] == []


def test_a_name_that_is_no_utf8(tmp_path: Path, written: Write) -> None:
    root = written({f"{number:02}.txt": 400 for number in range(10)})
    os.rename(root / "00.txt", os.fsencode(root) + b"/caf\xe9.txt")
    done = subprocess.run(
        run(settings(tmp_path, path=str(root)), tmp_path / "out"), capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    tables = "".join(file.read_text(encoding="utf-8") for file in (tmp_path / "out").glob("*.csv"))
    assert r"caf\xe9.txt,400,400" in tables


def test_importing_the_step_loads_no_torch() -> None:
    code = "import sys, nas_steps.data.text.__main__; print([m for m in ('torch', 'tokenizers') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_an_edit_of_text_leaves_images_alone_and_the_other_way_round() -> None:
    of_images, of_text = (transitive_imports(f"nas_steps.data.{name}__main__") for name in ("", "text."))
    assert not [name for name in of_images if name.startswith("nas_steps.data.text")]
    assert not of_text & {f"nas_steps.data.{name}" for name in ("photos", "prepare", "arrays", "folder", "npz")}
