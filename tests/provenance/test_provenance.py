"""Whole files or none, fingerprints, seeds, the ledger, running a step."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.numpy
import torch

from nas_steps.data import prepare
from nas_steps.data.arrays import Labelled
from nas_steps.data.store import SPLITS
from nas_steps.errors import UserError
from nas_steps.export import convert
from nas_steps.provenance import fingerprint as prints
from nas_steps.provenance import task
from nas_steps.provenance.files import (
    atomic,
    canonical_json,
    number,
    read_csv,
    read_json,
    remember,
    write_csv,
    write_json,
    write_text,
)
from nas_steps.provenance.fingerprint import code_fingerprint, fingerprint, transitive_imports
from nas_steps.provenance.ledger import Cost, measured
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.step import Step
from nas_steps.search.one_shot.scoring import write_weights
from nas_steps.search.state import save_state
from nas_steps.training import record
from nas_steps.training.checkpoint import Checkpoints


def fail_half_way(path: Path) -> None:
    with atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError


def test_a_failure_leaves_neither_the_file_nor_a_part_of_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        fail_half_way(tmp_path / "deep" / "file")
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_failure_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "old")
    with pytest.raises(RuntimeError):
        fail_half_way(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_file_appears_only_at_the_end(tmp_path: Path) -> None:
    with atomic(tmp_path / "file") as temporary:
        temporary.write_text("all")
        assert not (tmp_path / "file").exists()
        assert temporary.parent == tmp_path  # one file system, else a rename is no rename
    assert (tmp_path / "file").read_text() == "all"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_process_had_half_written_goes_with_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "a [1].csv"
    killed = """
import os, signal, sys
from nas_steps.provenance.files import atomic
with atomic(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    for _ in range(2):
        result = subprocess.run([sys.executable, "-c", killed, str(path)], check=False)
        assert result.returncode == -signal.SIGKILL
    left = list(tmp_path.iterdir())
    assert len(left) == 1  # the second one has removed the first one's
    # what lives is left alone, and so is what another machine writes, and another file's
    here = socket.gethostname()
    others = [f".{path.name}.{here}.{os.getppid()}.partial", f".{path.name}.elsewhere.1.partial"]
    others.append(left[0].name.replace("a [1]", "a 1"))
    for name in others:
        (tmp_path / name).touch()
    write_text(path, "whole")
    assert {file.name for file in tmp_path.iterdir()} == {path.name, *others}


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    row = {
        "a": 0.1 + 0.2,
        "b": None,
        "c": math.nan,
        "d": np.float64(1 / 3),
        "e": 'x,"y"\nü',
        "f": 7,
        "g": np.float64("nan"),
    }
    write_csv(tmp_path / "t.csv", [row, {"a": 1e-300}], "abcdefg")
    first, second = read_csv(tmp_path / "t.csv")
    assert number(first["a"]) == 0.1 + 0.2
    assert first["b"] == first["c"] == first["g"] == ""
    assert math.isnan(number(first["b"]))
    assert number(first["d"]) == 1 / 3
    assert (first["e"], first["f"]) == ('x,"y"\nü', "7")
    assert (number(second["a"]), second["f"]) == (1e-300, "")
    assert (tmp_path / "t.csv").read_bytes().startswith(b"a,b,c,d,e,f,g\n")


def test_a_column_that_is_not_in_the_header_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="oops"):
        write_csv(tmp_path / "t.csv", [{"oops": 1}], ["a"])
    assert list(tmp_path.iterdir()) == []


def test_canonical_json_has_one_spelling() -> None:
    assert canonical_json({"b": [1, 2.5, None], "a": "ü"}) == '{"a":"ü","b":[1,2.5,null]}'
    assert canonical_json({"a": 1, "b": 2}) == canonical_json({"b": 2, "a": 1})
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(math.nan)


def test_json_writes_null_for_what_is_no_number(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": math.nan, "y": [np.float64("inf"), 1.5], "z": ({"w": -math.inf},)})
    assert read_json(tmp_path / "a.json") == {"x": None, "y": [None, 1.5], "z": [{"w": None}]}


def test_broken_json_is_told_in_words(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", "{")
    with pytest.raises(UserError, match=r"a\.json is not valid JSON.*delete it"):
        read_json(tmp_path / "a.json")


def test_seeds_are_stable_and_hear_every_label() -> None:
    assert derive_seed(0) == 0x5FECEB66FFC86F38 >> 1  # the sha256 of "0"
    labels = [(0,), (1,), (0, "a"), (0, "b"), (0, "a", 0), (0, "a", 1), (0, 0, "a"), (10,), (1, 0)]
    seeds = [derive_seed(*label) for label in labels]
    assert len(set(seeds)) == len(labels)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(3, "retrain", 2) == derive_seed(3, "retrain", 2)


# ---------------------------------------------------------------------------------------- fingerprints


def clear() -> None:
    for cached in (prints._parsed, prints._imports):
        cached.cache_clear()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Writes modules of a made-up package that stands in for nas_steps."""
    root = tmp_path / "nas_steps"
    monkeypatch.setattr(prints, "PACKAGE", root)

    def write(**modules: str) -> None:
        for name, text in modules.items():
            file = root.joinpath(*name.split("__")).with_suffix(".py")
            for folder in (root, file.parent):
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "__init__.py").touch()
            file.write_text(text)
        clear()

    yield write
    clear()


def test_comments_docstrings_and_formatting_do_not_count(package: Callable[..., None]) -> None:
    package(a="def f(x):\n    return x + 1\n")
    plain = code_fingerprint("nas_steps.a")
    package(a='"""Doc."""\n\n# comment\ndef f( x ):\n    """Doc."""\n    return (x + 1)  # why\n')
    assert code_fingerprint("nas_steps.a") == plain
    package(a="def f(x):\n    return x + 2\n")
    assert code_fingerprint("nas_steps.a") != plain
    package(a="def f(x):\n    'Doc.'\n    'no docstring'\n    return x + 1\n")
    assert code_fingerprint("nas_steps.a") != plain


def test_imports_inside_functions_and_of_imports_count(package: Callable[..., None], tmp_path: Path) -> None:
    package(
        a="def f():\n    from nas_steps.b import g\n    return g()\n", b="import nas_steps.room.c\n", room__c="x = 1\n"
    )
    package(d="x = 1\n")
    assert transitive_imports("nas_steps.a") == {
        "nas_steps",
        "nas_steps.a",
        "nas_steps.b",
        "nas_steps.room",
        "nas_steps.room.c",
    }
    before = code_fingerprint("nas_steps.a")
    package(d="x = 2\n")
    assert code_fingerprint("nas_steps.a") == before
    package(room__c="x = 2\n")
    changed = code_fingerprint("nas_steps.a")
    assert changed != before
    (tmp_path / "nas_steps" / "room" / "__init__.py").write_text("y = 1\n")
    clear()
    assert code_fingerprint("nas_steps.a") != changed


def test_a_module_imported_from_its_package_counts(package: Callable[..., None]) -> None:
    package(a="from nas_steps.room import c\nimport os\n", room__c="x = 1\n")
    assert "nas_steps.room.c" in transitive_imports("nas_steps.a")
    assert not any(name.startswith("os") for name in transitive_imports("nas_steps.a"))


def test_a_module_that_is_not_there_is_no_fingerprint(package: Callable[..., None]) -> None:
    package(a="")
    with pytest.raises(ValueError, match=r"no module nas_steps\.nowhere"):
        code_fingerprint("nas_steps.nowhere")


def test_fingerprint_is_of_the_value() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 1, "b": 3})
    assert len(fingerprint(None)) == 16


#: every kind of statement and expression whose tree differs between versions of Python when it is printed
SYNTAX = """
import os.path as p
from a.b import *
@deco(1, *args, key=2, **more)
class C(Base, metaclass=Meta):
    x: int = 1
    y: "str"
    def f(self, a, /, b: int = 3, *c, d=None, **e) -> None:
        'doc'
        global g
        return [i async for i in x if i] or {**a, 'k': b'v', 1j: ...} and not {1.5, True, None}
async def f():
    async with open(p) as q, r: await q
    yield
lambda x, *y: (x, *y)[1:2, ::3]
for i, *j in k:
    continue
else:
    pass
while x := 1: break
try:
    raise E from None
except* (A, B) as e:
    del a[0], b.c
finally:
    assert x, f'{x!r:>{width}} {y=} and' ' more' f'{z}'
match p:
    case [1, *rest] | {'a': -1, **kw} if x: a += b @ c
    case C(x=0) as d: nonlocal_ = 1 if a < b <= c else ~d
    case _: u'text'
"""


def test_every_version_of_python_gives_code_one_fingerprint(package: Callable[..., None]) -> None:
    """The number was computed by Python 3.11, 3.12 and 3.13, which print such a tree in three ways."""
    package(a=SYNTAX)
    assert prints._parsed("nas_steps.a").hash[:16] == "be57f29c41d368b9"
    package(a=SYNTAX.replace("<=", "<"))
    assert prints._parsed("nas_steps.a").hash[:16] != "be57f29c41d368b9"


def test_a_name_that_is_no_text_has_a_fingerprint_of_its_own() -> None:
    names = [os.fsdecode(name) for name in (b"caf\xe9.png", b"caf\xe8.png", "caf\ufffd.png".encode())]
    assert len({fingerprint([name]) for name in names}) == 3


# ----------------------------------------------------------------------------------------------- steps


def test_a_user_error_has_no_traceback_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    def main(_arguments: object) -> None:
        raise UserError("add a folder")

    with pytest.raises(SystemExit) as left:
        task.run(main, "nas_steps.data", ["--path", "my images"])
    out, err = capsys.readouterr()
    assert left.value.code == 1
    assert left.value.__suppress_context__
    assert err == "error: add a folder\n"
    assert out == "$ python -m nas_steps.data --path 'my images'\n"


@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "EACCES", "EROFS", "ENAMETOOLONG"])
def test_what_the_system_refuses_is_one_message(capsys: pytest.CaptureFixture[str], number: str) -> None:
    def main(_arguments: object) -> None:
        raise OSError(getattr(errno, number), "", "/data/x")

    with pytest.raises(SystemExit) as left:
        task.run(main, "m", [])
    assert left.value.code == 1
    assert left.value.__suppress_context__
    words = os.strerror(getattr(errno, number))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {words} (/data/x); make room or ask for the right to write there")


def test_what_is_no_matter_of_rights_or_room_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def main(_arguments: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "", "/data/x")

    with pytest.raises(FileNotFoundError):
        task.run(main, "m", [])
    assert capsys.readouterr().err == ""


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that has room for a kilobyte or so."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "none", folder], capture_output=True, check=False)
    if mount.returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def writers() -> dict[str, Callable[[Path], object]]:
    """Whatever writes files, each by a call that writes some kilobytes."""
    big = np.zeros(5000)
    text = "x" * 40000
    entry = record.Entry("x", "searched", "")
    images = Labelled(np.zeros((6, 1, 8, 8), np.uint8).repeat(100, 0), np.tile(np.arange(2), 300))
    meta = {"counts": {}, "classes": ["a", "b"]}
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("Identity", ["x"], ["y"])],
            "g",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])],
        )
    )
    return {
        "text": lambda folder: write_text(folder / "a.txt", text),
        "json": lambda folder: write_json(folder / "a.json", text),
        "csv": lambda folder: write_csv(folder / "a.csv", [{"a": text}], ["a"]),
        "state": lambda folder: save_state(folder / "state.safetensors", {"a": big, "b": 1}),
        "record": lambda folder: record.write(folder, record.record(entry, 0), [], {"a": big}, {}),
        "supernet": lambda folder: write_weights(folder / "w.safetensors", torch.nn.Linear(100, 100)),  # type: ignore[arg-type]
        "data": lambda folder: prepare._write(dict.fromkeys(SPLITS, images), meta, folder),
        "onnx": lambda folder: convert.save(folder / "m.onnx", model, {"text": text}),
        "checkpoint": lambda folder: Checkpoints(folder, {}, Cost("s", "t"), 0).of("x").write({"a": torch.zeros(9999)}),
        "ledger": lambda folder: write_ledger(folder / "cost.json"),
    }


def write_ledger(path: Path) -> None:
    with measured(path, "s", "t") as cost:
        cost.extra["x"] = "x" * 40000


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o027, 0o077])
@pytest.mark.parametrize("writer", writers())
def test_whoever_the_umask_lets_can_read_what_is_written(tmp_path: Path, writer: str, umask: int) -> None:
    before = os.umask(umask)
    try:
        writers()[writer](tmp_path)
    finally:
        os.umask(before)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in written} == {
        path.name: oct(0o666 & ~umask) for path in written
    }


def test_a_writer_with_a_mode_of_its_own_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with atomic(tmp_path / "a") as temporary:
            safetensors.numpy.save_file({"a": np.zeros(3)}, temporary)
            temporary.chmod(0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("writer", writers())
def test_a_full_disk_is_one_message_and_leaves_nothing(
    full: Path, writer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        task.run(lambda _: writers()[writer](full), "m", [])
    assert left.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "No space left on device" in line
    assert str(full) in line
    assert ".partial" not in line
    assert "make room" in line
    assert not [path.name for path in full.rglob("*.partial")]


def test_a_file_that_nobody_wrote_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "a"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_only_spares_work_need_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    remember(tmp_path / "file" / "memory.json", {"a": 1})
    remember(tmp_path / "memory.json", {"a": 1})
    assert read_json(tmp_path / "memory.json") == {"a": 1}


def test_arguments_reach_the_step() -> None:
    seen: list[object] = []
    task.run(seen.append, "m", ["a", "b"])
    assert seen == [["a", "b"]]


def test_an_unknown_step_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["x", "propse"])
    with pytest.raises(SystemExit) as left:
        task.dispatch("nas_steps.search")
    assert left.value.code == 2
    err = capsys.readouterr().err
    assert "propse" in err
    assert "propose" in err
    monkeypatch.setattr(sys, "argv", ["x"])
    with pytest.raises(SystemExit) as left:
        task.dispatch("nas_steps.search")
    assert left.value.code == 2


def test_measured_writes_the_figures(tmp_path: Path) -> None:
    with measured(tmp_path / "cost.json", "search", "propose") as cost:
        cost.device = "cpu (made up)"
        cost.extra["macs"] = 5
    figures = json.loads((tmp_path / "cost.json").read_text())
    assert (figures["stage"], figures["step"], figures["device"]) == ("search", "propose", "cpu (made up)")
    assert figures["extra"] == {"macs": 5}
    assert figures["seconds"] > 0
    assert figures["cpu_seconds"] > 0
    assert figures["peak_memory_mb"] > 1


def test_a_step_that_fails_has_no_line_in_the_ledger(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), measured(tmp_path / "cost.json", "search", "propose"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_step_has_no_module_of_a_kind_that_is_not_named() -> None:
    step = Step(
        "one", "It does.", {}, kinds=("kinds.{family}", "kinds.{strategy[kind]}", "kinds.{other}"), module="steps.one"
    )
    assert step.modules({"strategy": {"kind": "darts"}}, {"family": None, "strategy": "mine"}) == [
        "steps.one",
        "kinds.darts",
    ]
    assert step.modules({}, {"family": "resnet"}) == ["steps.one", "kinds.resnet"]
