"""Locks that end with their process: the kernel's, and files where a file system has none of those."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nas_steps.provenance import locks
from nas_steps.provenance.locks import hold, is_held, read

ABSENT = """
import errno, fcntl
def absent(*_): raise OSError({number}, "no such thing")
fcntl.flock = absent
"""
HOLD = """
import sys, time
from pathlib import Path
from nas_steps.provenance.locks import hold
held = hold(Path(sys.argv[1]), what="the first")
print("holding", held is not None, flush=True)
time.sleep(600)
"""


@pytest.fixture(params=[None, "ENOSYS", "EOPNOTSUPP", "ENOLCK"])
def without(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What a process runs first, whose file system has flock or not; this one is such a process."""
    locks._tried.cache_clear()
    locks._warn.cache_clear()
    if request.param is None:
        yield ""
    else:
        number = getattr(errno, request.param)

        def absent(*_: object) -> None:
            raise OSError(number, "no such thing")

        monkeypatch.setattr(fcntl, "flock", absent)
        yield ABSENT.format(number=number)
    locks._tried.cache_clear()


@pytest.fixture
def other(without: str, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Another process, which holds the lock `lock` of the test's folder."""
    processes = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", without + HOLD, str(tmp_path / "lock")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        lines = [process.stdout.readline().strip()]
        if without:
            lines.append(process.stdout.readline().strip())
        assert lines[-1] == "holding True", lines
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_one_process_holds_it_and_says_who(tmp_path: Path, other: Callable[[], subprocess.Popen[str]]) -> None:
    process = other()
    assert hold(tmp_path / "lock") is None
    assert is_held(tmp_path / "lock")
    told = read(tmp_path / "lock")
    assert (told["pid"], told["what"]) == (process.pid, "the first")
    assert locks.name(told) == f"process {process.pid} on {told['host']}"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_process(
    tmp_path: Path, other: Callable[[], subprocess.Popen[str]], number: signal.Signals
) -> None:
    process = other()
    process.send_signal(number)
    process.wait()
    assert not is_held(tmp_path / "lock")
    mine = hold(tmp_path / "lock")
    assert mine is not None
    assert read(tmp_path / "lock")["pid"] == os.getpid()
    mine.close()


@pytest.mark.usefixtures("without")
def test_it_can_be_given_back_told_more_and_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    with hold(path) as mine:  # type: ignore[union-attr]
        assert hold(path) is None
        mine.tell(more=[1])
        assert read(path)["more"] == [1]
        mine.tell(more=[])
        assert read(path)["more"] == []
    assert not is_held(path)
    assert hold(path) is not None


def test_what_is_missing_is_said_once(tmp_path: Path, without: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "abc":
        with hold(tmp_path / name):  # type: ignore[union-attr]
            pass
    assert capsys.readouterr().out.count("has no flock") == bool(without)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.fixture
def by_file(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def absent(*_: object) -> None:
        raise OSError(errno.ENOSYS, "no such thing")

    locks._tried.cache_clear()
    monkeypatch.setattr(fcntl, "flock", absent)
    yield
    locks._tried.cache_clear()


@pytest.mark.usefixtures("by_file")
def test_another_machines_lock_counts_while_it_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text(json.dumps({"host": "node7", "pid": 1, "token": "x", "by_file": True}))
    assert hold(path) is None
    silent = time.time() - locks.SILENT - 60
    os.utime(path, (silent, silent))
    assert hold(path) is not None


@pytest.mark.usefixtures("by_file")
def test_a_holder_touches_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BEAT", 0.01)
    held = hold(tmp_path / "lock")
    assert held is not None
    os.utime(tmp_path / "lock", (1, 1))
    until = time.monotonic() + 60
    while (tmp_path / "lock").stat().st_mtime == 1:
        assert time.monotonic() < until
        time.sleep(0.01)
    held.close()
    assert not (tmp_path / "lock").exists()


@pytest.mark.usefixtures("by_file")
def test_another_process_with_the_same_number_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with hold(path):  # type: ignore[union-attr]
        told = read(path)
    path.write_text(json.dumps({**told, "born": "before the last boot"}))
    assert hold(path) is not None


@pytest.mark.usefixtures("by_file")
def test_a_lock_that_is_just_being_written_counts(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    assert hold(tmp_path / "lock") is None
