"""Searches and rankings without the test set: its files are deleted before they begin."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from tiny_workflow import ROOT, TINY, change, snakemake

WINNERS = "results/tiny/ranking/winners.csv"
DATA = "data"


def planned(folder: Path, config: dict[str, object]) -> list[tuple[str, list[str], str]]:
    """The rule, the inputs and the command of each job, in no order."""
    result = snakemake(folder, config, "--dry-run", "--forceall", "--printshellcmds")
    assert result.returncode == 0, result.stderr
    jobs = []
    for block in re.split(r"^\[.*\d{4}\]$", result.stdout + result.stderr, flags=re.M):
        rule = re.search(r"^(?:local)?rule (\w+):", block, flags=re.M)
        command = re.search(r"^Shell command: (python .*)$", block, flags=re.M)
        inputs = re.search(r"^ +input: (.*)$", block, flags=re.M)
        if rule and command:
            jobs.append((rule[1], inputs[1].split(", ") if inputs else [], command[1]))
    return jobs


def run_jobs(folder: Path, jobs: list[tuple[str, list[str], str]], until: str) -> list[str]:
    """Run the commands of jobs whose inputs exist, again and again, until a file exists; their rules."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    waiting, done = list(jobs), []
    while not (folder / until).exists():
        ready = [job for job in waiting if all((folder / file).exists() for file in job[1])]
        assert ready, f"no job can go on: {waiting}"
        for job in ready:
            (folder / job[2].rpartition(" > ")[2].split()[0]).parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["bash", "-c", job[2]], cwd=folder, env=environment, check=True)
            waiting.remove(job)
            done.append(job[0])
    return done


@pytest.mark.parametrize("train_on", ["train", "train+valid"])
def test_searches_and_ranking_find_the_same_winners_with_the_test_files_missing(
    finished: Path, tmp_path: Path, train_on: str
) -> None:
    config = change(TINY, retrain__train_on=train_on)
    # final trainings and all that follows them read the test set, and are no part of it
    late = ("retrain", "gather_retraining", "recommend", "train_member", "export_networks", "export_scaled", "report")
    jobs = [job for job in planned(tmp_path, config) if job[0] not in late]
    (data,) = (job for job in jobs if job[0] == DATA)
    prepared = Path(re.search(r"--output (\S+)", data[2])[1])  # type: ignore[index]
    run_jobs(tmp_path, [data], str(prepared / "meta.json"))
    for name in ("test_images.npy", "test_labels.npy"):
        (tmp_path / prepared / name).unlink()
    done = run_jobs(tmp_path, [job for job in jobs if job[0] != DATA], WINNERS)
    assert {"evaluate", "darts", "train_shortlist", "rank"} <= set(done)
    assert (tmp_path / WINNERS).read_bytes() == (finished / WINNERS).read_bytes()
