"""Runs beside each other, and people who may only look."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tiny_workflow import ROOT, TINY, change, finish, jobs_to_run, snakemake, write_config, write_images

ABSENT = """
import errno, fcntl
def absent(*_): raise OSError(errno.ENOSYS, "Function not implemented")
fcntl.flock = absent
"""


def budget(config: dict[str, Any]) -> str:
    """A file that takes two jobs: the data, then the budget."""
    return f"results/{config['experiment']}/search/budget.json"


def start(folder: Path, config: dict[str, Any], *flags: str, **environment: str) -> subprocess.Popen[str]:
    """Snakemake, making the budget of an experiment in `folder`."""
    file = write_config(folder, config)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    return subprocess.Popen(
        [*command, budget(config), "--cores", "1", *flags, "--configfile", str(file)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NAS_STEPS_CONSOLE": "snakemake"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-5000:]
    return output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    write_images(folder / "images")
    return folder


@pytest.fixture
def without_flock(tmp_path: Path) -> str:
    """Where a Python looks first that finds no flock."""
    (tmp_path / "sitecustomize.py").write_text(ABSENT, encoding="utf-8")
    return f"{tmp_path}{os.pathsep}{ROOT}"


@pytest.mark.parametrize("flock", [True, False])
def test_two_experiments_of_the_same_new_data(folder: Path, flock: bool, without_flock: str) -> None:
    """The data are prepared by one of them, and the other goes on when they are there."""
    environment = {} if flock else {"PYTHONPATH": without_flock}
    processes = [start(folder, change(TINY, experiment=name), **environment) for name in ("one", "two")]
    outputs = [ended(process) for process in processes]
    assert sum("rule data:" in output for output in outputs) == 1
    assert sum("which this run needs too: waiting" in output for output in outputs) == 1
    assert "LockException" not in "".join(outputs)
    assert (folder / budget({"experiment": "one"})).exists()
    assert (folder / budget({"experiment": "two"})).exists()
    for name in ("one", "two"):
        assert jobs_to_run(folder, change(TINY, experiment=name), "--until", "budget") == []


def test_a_dry_run_beside_a_run_and_a_second_run(folder: Path) -> None:
    """The dry run leaves the run alone, and the second run is told who is at work."""
    gate = folder / "gate"
    os.mkfifo(gate)
    # the first job waits in its shell until somebody opens the gate
    first = start(folder, TINY, BASH_ENV=str(wait_at(folder, gate)))
    locks = folder / ".snakemake" / "locks"
    until = time.monotonic() + 120
    while not list(locks.glob("*.output.lock")):
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    before = sorted(path.name for path in locks.iterdir())
    assert "data" in jobs_to_run(folder, TINY)
    assert sorted(path.name for path in locks.iterdir()) == before
    second = snakemake(folder, TINY)
    output = second.stdout + second.stderr
    assert second.returncode == 1
    assert f"results/tiny is being made by another snakemake, process {first.pid} on " in output
    assert "--unlock" not in output
    assert "Traceback" not in output
    assert sorted(path.name for path in locks.iterdir()) == before
    gate.write_text("go on\n")
    ended(first)


def wait_at(folder: Path, gate: Path) -> Path:
    """What a shell runs first: the first of all waits until something is written into the gate."""
    script = folder / "wait.sh"
    script.write_text(f"mkdir '{gate}.waited' 2> /dev/null && read line < '{gate}'\n", encoding="utf-8")
    return script


def test_one_of_no_flock_goes_through(folder: Path, without_flock: str) -> None:
    output = finish(folder, TINY, "--until", "gather_search", PYTHONPATH=without_flock)
    assert output.count("This file system has no flock") == 1
    assert jobs_to_run(folder, TINY, "--until", "gather_search", PYTHONPATH=without_flock) == []
    assert not list(folder.rglob("*.checkpoints"))


def looking(folder: Path, config: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Snakemake, by a process that may write in the folder no more than its modes say, whoever it is."""
    command = [sys.executable, "-P", "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
    if os.getuid() == 0:
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--", *command]
    return subprocess.run(
        [*command, "--configfile", str(config), *flags],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def read_only(folder: Path) -> Path:
    """The folder of another person, who has made the data there."""
    finish(folder, TINY, "--until", "budget")
    paths = [folder, *(path for path in folder.rglob("*") if not path.is_symlink())]
    for path in paths:
        path.chmod(path.stat().st_mode & ~0o222)
    yield folder
    for path in paths:
        path.chmod(path.stat().st_mode | 0o200)


def test_who_may_only_look_can_look(read_only: Path, tmp_path: Path) -> None:
    before = sorted(read_only.rglob("*"))
    mine = read_only / "tiny.yaml"
    result = looking(read_only, mine, "--dry-run", budget(TINY))
    assert result.returncode == 0, result.stderr
    assert "Nothing to be done" in result.stdout + result.stderr
    result = looking(read_only, mine, "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "rule retrain:" in result.stdout + result.stderr
    # of a config that was never read here, too
    other = write_config(tmp_path, change(TINY, experiment="other", data__max_train=50, seed=3))
    result = looking(read_only, other, "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "rule data:" in result.stdout + result.stderr
    for told in ("--summary", "--rulegraph", "--lint", "--list-target-rules"):
        result = looking(read_only, mine, told)
        assert result.returncode == 0, (told, result.stderr)
    assert sorted(read_only.rglob("*")) == before
    for config in (mine, other):
        result = looking(read_only, config)
        output = result.stdout + result.stderr
        assert result.returncode == 1
        assert (
            "cannot be written: Permission denied; make room or ask" in output or "nothing can be written in" in output
        )
        assert "Traceback" not in output


def test_what_the_workflow_has_written_can_be_read_by_all_whom_the_umask_lets(finished: Path) -> None:
    umask = os.umask(0)
    os.umask(umask)
    written = [path for part in ("results", ".snakemake") for path in (finished / part).rglob("*")]
    readable = 0o444 & ~umask
    hidden = [path for path in written if not path.is_symlink() and path.stat().st_mode & readable != readable]
    assert len(written) > 200
    assert hidden == []
