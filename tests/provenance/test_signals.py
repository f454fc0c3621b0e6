"""A process that dies of a signal: the shell of its job says so, and stands in no signal's way."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nas_steps.provenance.died import SHELL, step, words
from nas_steps.provenance.fingerprint import PACKAGE

#: a step that says its process id, then does what its first argument says
STEP = """
import os, sys, time
from nas_steps.provenance.task import run

def main(arguments):
    print("process", os.getpid(), flush=True)
    exec(arguments[0])

run(main, "nas_steps.made_up")
"""
BEGUN = re.compile(r"^process (\d+)$", flags=re.M)
WAIT = "time.sleep(60)"


@contextmanager
def started(folder: Path, what: str) -> Iterator[subprocess.Popen[str]]:
    """The shell of a job whose step does `what`, when the step has begun; its log is `log.txt`."""
    (folder / "made_up.py").write_text(STEP, encoding="utf-8")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder), str(PACKAGE.parent)]),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "ASKED": what,
    }
    log = folder / "log.txt"
    log.touch()
    command = [f'{SHELL} python -m made_up "$ASKED" > {log} 2>&1']
    with subprocess.Popen(
        command, shell=True, executable="/bin/bash", env=environment, start_new_session=True, text=True
    ) as shell:
        while not BEGUN.search(log.read_text()):
            time.sleep(0.01)
            assert shell.poll() is None or BEGUN.search(log.read_text()), log.read_text()
        yield shell
        shell.wait(60)


def process_of(folder: Path) -> int:
    found = BEGUN.search((folder / "log.txt").read_text())
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize(
    ("number", "meaning", "help_"),
    [
        (signal.SIGKILL, "memory ran out", "it needs more memory"),
        (signal.SIGSEGV, "a fault in native code", "report it with this log"),
        (signal.SIGABRT, "a fault in native code", "report it with this log"),
        (signal.SIGBUS, "the disk or /dev/shm is full", "report it with this log"),
    ],
)
def test_a_deadly_signal_is_named_in_the_log(tmp_path: Path, number: signal.Signals, meaning: str, help_: str) -> None:
    with started(tmp_path, f"os.kill(os.getpid(), {int(number)})") as shell:
        pass
    assert shell.returncode == 128 + number
    log = (tmp_path / "log.txt").read_text()
    said = next(line for line in log.splitlines() if line.startswith("error: "))
    assert said.startswith(f"error: made_up os.kill(os.getpid(), {int(number)}) ended by {number.name} ")
    assert meaning in said
    assert "Run snakemake again: what is finished stays" in said
    assert help_ in said
    # where Python was, which the kernel gives nobody a chance to say after SIGKILL
    assert ("Fatal Python error" in log) == (number != signal.SIGKILL)
    assert ("made_up.py" in log) == (number != signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_shell_waits_for_a_step_that_leaves_in_order(tmp_path: Path, number: signal.Signals) -> None:
    what = f"import atexit; atexit.register(lambda: print('left in order')); {WAIT}"
    with started(tmp_path, what) as shell:
        os.kill(process_of(tmp_path), number)
    assert shell.returncode == 128 + number
    log = (tmp_path / "log.txt").read_text()
    assert "left in order" in log
    assert f"ended by {number.name}" in log


def test_ctrl_c_reaches_the_step(tmp_path: Path) -> None:
    with started(tmp_path, WAIT) as shell:
        os.killpg(shell.pid, signal.SIGINT)
    assert shell.returncode == 128 + signal.SIGINT


def test_a_signal_to_the_shell_alone_is_not_held_back(tmp_path: Path) -> None:
    with started(tmp_path, WAIT) as shell:
        shell.terminate()
        assert shell.wait(30) == -signal.SIGTERM
        os.kill(process_of(tmp_path), signal.SIGKILL)


@pytest.mark.parametrize(("what", "status"), [("sys.exit(3)", 3), ("sys.exit(-1)", 255), ("pass", 0)])
def test_other_ends_are_as_they_were(tmp_path: Path, what: str, status: int) -> None:
    with started(tmp_path, what) as shell:
        pass
    assert shell.returncode == status
    assert "error: " not in (tmp_path / "log.txt").read_text()


def test_the_step_is_named() -> None:
    assert step(["-m", "nas_steps.search", "darts", "--seed", "0"]) == "nas_steps.search darts"
    assert step(["-m", "nas_steps.data", "--settings", "x"]) == "nas_steps.data"
    together = ["-m", "nas_steps.training.launch", "2", "-m", "nas_steps.search", "supernet", "--seed", "0"]
    assert step(together) == "nas_steps.search supernet"
    assert step(["script.py", "x"]) == "python script.py x"


@pytest.mark.parametrize("status", [1, 128, 255])
def test_a_status_of_no_signal_says_nothing(status: int) -> None:
    assert words(status, ["-m", "nas_steps.data"]) is None


def test_every_signal_that_ends_a_process_has_words() -> None:
    for number in signal.Signals:
        said = words(128 + number, ["-m", "nas_steps.data"])
        assert said is not None
        assert f"nas_steps.data ended by {number.name} (signal {int(number)}" in said


def test_a_reader_that_has_seen_enough_ends_a_command_without_a_traceback(tmp_path: Path) -> None:
    script = tmp_path / "talks.py"
    script.write_text(
        "from nas_steps.provenance.task import run\n"
        "def main(_):\n"
        "    for number in range(100_000):\n"
        "        print(number)\n"
        "run(main, 'talks', [])\n",
        encoding="utf-8",
    )
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(script))} | head -n 2"
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    found = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.startswith("$ python -m talks")
    assert found.stderr == ""
