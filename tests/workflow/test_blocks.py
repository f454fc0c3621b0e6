"""Snakemake runs one job at a time of those that train a block of seeds together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_workflow import ROOT, TINY, change, finish, jobs_to_run

from nas_steps.provenance.files import read_json
from nas_steps.workflow.blocks import blocks, one_at_a_time

SNAKEFILE = """
from types import SimpleNamespace
from nas_steps.workflow.blocks import one_at_a_time

plan = SimpleNamespace(trains=True, config=SimpleNamespace(retrain=SimpleNamespace(together={size})))

rule all:
    input: expand("{{entry}}-s{{seed}}", entry=["resnet20_x0.5", "mine-0"], seed=range(3))

rule retrain:
    output: "{{entry}}-s{{seed}}"
    # a seed that ends early lets Snakemake choose again while the others run
    params: seconds=lambda wildcards: 0.2 if wildcards.seed == "2" else 2
    shell: "echo begin {{wildcards.entry}} {{wildcards.seed}} >> told; sleep {{params.seconds}}; "
        "echo end {{wildcards.entry}} {{wildcards.seed}} >> told; touch {{output}}"

onstart:
    one_at_a_time(workflow, plan)
"""


def job(rule: str, **wildcards: str) -> Any:
    return SimpleNamespace(rule=SimpleNamespace(name=rule), wildcards_dict=wildcards)


def test_a_block_is_of_one_rule_recipe_and_entry() -> None:
    jobs = [job("retrain", entry="mine-0", seed=str(seed)) for seed in range(5)]
    others = [job("retrain_by_recipe", recipe="long", entry="mine-0", seed=str(seed)) for seed in (0, 1)]
    found = blocks([*jobs, *others, job("train_member", member="0", seed="0")], 2)
    assert list(found.values()) == [jobs[:2], jobs[2:4], jobs[4:], others]
    assert next(iter(found)) == "seeds_of_mine_0_from_0"


def told(folder: Path, size: int) -> list[set[tuple[str, str]]]:
    """Run the workflow; return the jobs that were at work, from one change to the next."""
    file = folder / "Snakefile"
    file.write_text(SNAKEFILE.format(size=size), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(file), "--directory", str(folder), "--cores", "6"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    running: set[tuple[str, str]] = set()
    found = []
    for line in (folder / "told").read_text(encoding="utf-8").splitlines():
        word, entry, seed = line.split()
        running ^= {(entry, seed)}
        assert ((entry, seed) in running) == (word == "begin")
        found.append(set(running))
    assert len(found) == 12
    return found


def test_seeds_of_a_block_are_not_run_beside_each_other(tmp_path: Path) -> None:
    for running in told(tmp_path, 2):
        assert not {("mine-0", "0"), ("mine-0", "1")} <= running
        assert not {("resnet20_x0.5", "0"), ("resnet20_x0.5", "1")} <= running


def test_other_jobs_run_beside_them(tmp_path: Path) -> None:
    # the first of each block, and the seeds that are a block of their own
    assert max(map(len, told(tmp_path, 2))) >= 2


def test_seeds_that_are_trained_alone_run_beside_each_other(tmp_path: Path) -> None:
    assert max(map(len, told(tmp_path, 1))) > 2


def test_a_snakemake_without_such_resources_is_left_alone() -> None:
    plan: Any = SimpleNamespace(trains=True, config=SimpleNamespace(retrain=SimpleNamespace(together=2)))
    one_at_a_time(SimpleNamespace(), plan)


@pytest.mark.workflow
def test_a_seed_is_computed_once_whoever_trains_its_block(tmp_path: Path) -> None:
    config = change(TINY, retrain__seeds=2, retrain__together=2)
    folder = tmp_path / "results" / "tiny" / "retraining"

    def records(*seeds: int) -> list[str]:
        return [f"results/tiny/retraining/resnet20_x0.25-s{seed}/metrics.json" for seed in seeds]

    finish(tmp_path, config, "--keep-going", *records(0, 1))
    costs = [read_json(folder / f"resnet20_x0.25-s{seed}" / "cost.json") for seed in (0, 1)]
    assert [cost["extra"] for cost in costs] == [{"together": [0, 1]}] * 2
    logs = [
        file.read_text(encoding="utf-8")
        for file in (tmp_path / "results" / "tiny" / "logs" / "retrain").glob("resnet20_x0.25-*.log")
    ]
    assert sorted("another job has trained seeds [0, 1] together" in log for log in logs) == [False, True]
    # the others do not wait: the scheduler knows
    assert not any("waiting" in log for log in logs)
    assert not [file for file in folder.iterdir() if file.name.startswith(".")]
    assert jobs_to_run(tmp_path, config, "--keep-going", *records(0, 1)) == []
    # one more seed makes no other stale, and trains its own block
    more = change(config, retrain__seeds=3)
    assert jobs_to_run(tmp_path, more, "--keep-going", *records(0, 1, 2)) == ["retrain entry=resnet20_x0.25, seed=2"]
    # another size of the blocks is another result
    other = change(config, retrain__together=1)
    assert jobs_to_run(tmp_path, other, "--keep-going", *records(0, 1)) == [
        "retrain entry=resnet20_x0.25, seed=0",
        "retrain entry=resnet20_x0.25, seed=1",
    ]
