"""A job that dies of a signal says so in words, and the next plain `snakemake` goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tiny_workflow import ROOT, TINY, finish, snakemake

#: Python reads this module when it starts: in the data step, the first image that is opened is deadly
DEADLY = """
import os, sys

def watch(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".png"):
        os.kill(os.getpid(), {number})

if "nas_steps.data" in sys.orig_argv:
    sys.addaudithook(watch)
"""


@pytest.mark.parametrize(
    ("number", "meaning"),
    [(signal.SIGKILL, "because memory ran out"), (signal.SIGSEGV, "a fault in native code")],
)
def test_the_signal_is_named_and_how_to_go_on(tmp_path: Path, number: signal.Signals, meaning: str) -> None:
    (tmp_path / "deadly").mkdir()
    (tmp_path / "deadly" / "sitecustomize.py").write_text(DEADLY.format(number=int(number)), encoding="utf-8")
    path = os.pathsep.join([str(ROOT), str(tmp_path / "deadly")])
    result = snakemake(tmp_path, TINY, "--until", "data", PYTHONPATH=path)
    assert result.returncode == 1
    (log,) = tmp_path.glob("results/data/*/data.log")
    # the profile shows the logs of failed jobs
    for text in (log.read_text(), result.stdout + result.stderr):
        assert (
            f"error: nas_steps.data ended by {number.name} (signal {int(number)}, exit status {128 + number})" in text
        )
        assert meaning in text
        assert "Run snakemake again: what is finished stays" in text
        assert ("Fatal Python error: Segmentation fault" in text) == (number == signal.SIGSEGV)
    finish(tmp_path, TINY, "--until", "data")
