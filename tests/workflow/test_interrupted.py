"""However a run ends, the next plain `snakemake` goes on, and to the same results."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tiny_workflow import ROOT, TINY, change, finish, jobs_to_run, write_config, write_images

from nas_steps.provenance.files import read_csv, read_json

#: training that lasts some seconds, with no more around it than must be
LONG = change(
    TINY,
    experiment="long",
    search__strategies={"random": {"evaluations": 2}, "evolution": {"population": 2, "sample": 1, "rounds": 1}},
    search__estimator={"epochs": 200, "learning_rate": 0.05},
    scaling__enabled=False,
    shards=2,
)
#: the two shards of random search
SHARDS = [f"results/long/search/random-0/round-0/shard-{shard}.csv" for shard in (0, 1)]


def start(folder: Path) -> subprocess.Popen[str]:
    """Snakemake, making the two shards in `folder`."""
    folder.mkdir(exist_ok=True)
    if not (folder / "images").exists():
        write_images(folder / "images")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    return subprocess.Popen(
        [*command, *SHARDS, "--cores", "2", "--configfile", str(write_config(folder, LONG))],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NAS_STEPS_CHECKPOINT_SECONDS": "0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # what a shell runs in its background ignores SIGINT, and so would this
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def ended(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=300)
    return output


def trained(folder: Path) -> list[object]:
    """The estimates of both shards, less the seconds: what is left must be the same to the letter."""
    rows = [row for shard in SHARDS for row in read_csv(folder / shard)]
    assert all(float(row.pop("seconds")) > 0 for row in rows)
    assert all(row["score"] and row["epochs"] for row in rows)
    return list(rows)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    folder = tmp_path_factory.mktemp("unbroken")
    process = start(folder)
    output = ended(process)
    assert process.returncode == 0, output
    return trained(folder)


def wait_for_checkpoints(folder: Path, process: subprocess.Popen[str]) -> None:
    """Until both shards have one."""
    place = folder / "results/long/search/random-0/round-0"
    while len(list(place.glob(".shard-*.checkpoints/*.checkpoint"))) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def owners(folder: Path) -> list[int]:
    """The processes that train."""
    place = folder / "results/long/search/random-0/round-0"
    return [read_json(file)["pid"] for file in place.glob(".shard-*.checkpoints/owner")]


def interrupt(process: subprocess.Popen[str], _folder: Path) -> None:
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does at Ctrl-C


def kill_snakemake(process: subprocess.Popen[str], _folder: Path) -> None:
    process.kill()  # its jobs live on as orphans


def kill_all(process: subprocess.Popen[str], folder: Path) -> None:
    process.kill()
    for pid in owners(folder):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("harm", [interrupt, kill_snakemake, kill_all])
def test_the_next_plain_snakemake_goes_on(
    tmp_path: Path, unbroken: list[object], harm: Callable[[subprocess.Popen[str], Path], None]
) -> None:
    process = start(tmp_path)
    wait_for_checkpoints(tmp_path, process)
    orphans = owners(tmp_path)
    harm(process, tmp_path)
    process.wait(60)
    again = start(tmp_path)
    output = ended(again)
    assert again.returncode == 0, output
    logs = "".join(file.read_text() for file in (tmp_path / "results/long/logs/evaluate").glob("random-0-*.log"))
    assert logs.count("going on with architecture-") == 2, logs
    assert ("is asked to save its state and leave" in logs) == (harm is kill_snakemake)
    assert ("A run of this experiment was killed" in output) == (harm is not interrupt)
    assert trained(tmp_path) == unbroken
    for pid in orphans:
        assert not Path(f"/proc/{pid}").exists()
    assert not list(tmp_path.rglob("*.checkpoints"))


def test_one_failing_shard_stops_neither_the_other_nor_the_next_run(tmp_path: Path, unbroken: list[object]) -> None:
    process = start(tmp_path)
    wait_for_checkpoints(tmp_path, process)
    place = tmp_path / "results/long/search/random-0/round-0"
    os.kill(read_json(place / ".shard-0.csv.checkpoints/owner")["pid"], signal.SIGKILL)
    output = ended(process)
    assert process.returncode == 1
    assert "shard-0" in output
    assert not (place / "shard-0.csv").exists()
    assert (place / "shard-1.csv").exists()
    again = start(tmp_path)
    output = ended(again)
    assert again.returncode == 0, output
    assert re.search(r"^evaluate +1$", output, flags=re.M), output
    assert trained(tmp_path) == unbroken


def test_after_all_that_nothing_is_to_be_done(finished: Path) -> None:
    assert jobs_to_run(finished, TINY) == []
    finish(finished, TINY)
