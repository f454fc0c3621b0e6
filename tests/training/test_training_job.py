"""What a number that a job computes depends on: all that the rules watch, and nothing that they do not."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import pytest
from tiny_world import settings

import nas_steps
from nas_steps.estimation.settings import EstimationSettings
from nas_steps.provenance import versions
from nas_steps.provenance.settings import read_settings
from nas_steps.provenance.task import Task
from nas_steps.provenance.versions import TRAINS
from nas_steps.training import job as jobs
from nas_steps.training.job import training_job
from nas_steps.workflow.steps import STEPS


def task(file: str, data: str, folder: Path) -> Task:
    """A share of a round's trainings."""
    which = {"strategy": "random", "seed": 0, "round": 0, "shard": 0, "shards": 1, "proposals": ""}
    given = argparse.Namespace(settings=file, data=data, device="cpu", output=str(folder / "out"), **which)
    return Task(STEPS["evaluate"], given)


def key(data: str, folder: Path, **changes: object) -> tuple[dict[str, str], dict[str, str]]:
    """The identity of an estimate, and the key of the checkpoints of the same job."""
    file = settings(**changes)["evaluate"]
    step = read_settings(file, EstimationSettings)
    with training_job(task(file, data, folder), step) as job:
        return job.identity(), job.checkpoints.key


def test_estimates_and_checkpoints_know_every_package_that_the_rules_watch(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert STEPS["evaluate"].packages == STEPS["retrain"].packages == TRAINS
    before = key(data, tmp_path)
    assert key(data, tmp_path) == before
    installed = versions.version
    for package in TRAINS:
        with monkeypatch.context() as patch:
            patch.setattr(versions, "version", lambda name, new=package: "99.0" if name == new else installed(name))
            after = key(data, tmp_path)
        assert after[0] != before[0], package
        assert after[1] != before[1], package


def test_a_search_runs_the_module_of_its_strategys_kind(tmp_path: Path) -> None:
    """The option `strategy` is its name; the settings have its kind."""
    supernet = {"kind": "shared_weights", "supernet": {"epochs": 2, "sampling": "uniform"}}
    strategies = {"mine": {"kind": "evolution", "population": 2, "sample": 1}, "random": {}}
    file = settings(search__estimator=supernet, search__strategies=strategies)["mine"]
    given = argparse.Namespace(settings=file, strategy="mine", seed=0, output=str(tmp_path))
    assert "nas_steps.search.samplers.evolution" in Task(STEPS["one_shot"], given).modules()


def test_the_threads_are_those_of_the_settings(data: str, tmp_path: Path) -> None:
    identity, checkpoint = key(data, tmp_path, threads=2)
    assert identity["threads"] == "2"
    assert checkpoint["settings"] != key(data, tmp_path)[1]["settings"]


def test_the_kind_of_device_is_in_the_key_of_a_checkpoint(data: str, tmp_path: Path) -> None:
    assert key(data, tmp_path)[1]["device"] == "cpu"


def test_the_code_that_trains_is_in_the_key_of_a_checkpoint_and_in_the_cost(data: str, tmp_path: Path) -> None:
    file = settings()["evaluate"]
    found = []
    for code in ("", "plain", "compiled"):
        asked = task(file, data, tmp_path)
        with training_job(asked, read_settings(file, EstimationSettings)) as job:
            job.trained_by(code)
            found.append((job.checkpoints.key.get("kernels"), asked.cost.extra.get("kernels")))
    assert found == [(None, None), ("plain", "plain"), ("compiled", "compiled")]


def test_code_that_is_edited_while_it_runs_has_no_key(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time of modification says nothing: it may lie in the future, whatever the code was."""
    edited = tmp_path / "edited.py"
    edited.write_text("")
    os.utime(edited, (time.time() + 1e6,) * 2)  # unpacked from an archive of another clock, long before
    module = type(jobs)("nas_steps.edited")
    module.__file__ = str(edited)
    monkeypatch.setitem(sys.modules, "nas_steps.edited", module)
    monkeypatch.setattr(nas_steps, "STARTED", time.perf_counter() + 60)
    mine = task(settings()["evaluate"], data, tmp_path)
    assert "nas_steps.estimation.estimators.short_training" in mine.modules()
    assert jobs._code(mine) == jobs._code(mine) == jobs.code_fingerprint(*mine.modules())
    monkeypatch.setattr(nas_steps, "STARTED", time.perf_counter() - 60)
    assert jobs._code(mine).startswith("edited while it ran")
    assert jobs._code(mine) != jobs._code(mine)
