"""The workflow of the rungs on text: which jobs there are, what waits for what, and what a change leaves alone."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import tiny_text
from tiny_workflow import change, finish, jobs_to_run

from nas_steps.provenance.files import number, read_csv
from nas_steps.workflow.plan import Plan

TINY: dict[str, Any] = copy.deepcopy(tiny_text.TINY)
TINY["data"]["path"] = "text"
TINY["retrain"]["baselines"] = ["gpt2", "llama"]
TINY["scaling"] = {
    "rungs": {
        "enabled": True,
        "compute": 1e8,
        "tokens_per_parameter": 0.2,
        "recipe": {"batch_size": 2, "epochs": 1, "warmup_epochs": 0},
    }
}
#: a flag between the config and the file, or the file would be a config
RESULT = ("--keep-going", "results/tiny/scaling/multipliers.csv")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rungs")
    tiny_text.write_text(folder / "text")
    finish(folder, TINY, *RESULT)
    return folder


def trainings(folder: Path, config: dict[str, Any]) -> list[str]:
    return [job for job in jobs_to_run(folder, config, *RESULT) if job.startswith("train_rung ")]


def test_a_run_ends_in_multipliers_of_every_pair_and_rung(done: Path) -> None:
    scaling = done / "results" / "tiny" / "scaling"
    rows = read_csv(scaling / "multipliers.csv")
    assert [(row["searched"], row["baseline"], number(row["compute"])) for row in rows] == [
        ("winner", name, compute) for name in ("gpt2", "llama") for compute in (1e8, 4e8, 1.6e9)
    ]
    assert all(number(row["low"]) <= number(row["multiplier"]) <= number(row["high"]) for row in rows)
    trained = read_csv(scaling / "rungs.csv")
    assert len(trained) == 3 * 3 * 3
    assert {row["status"] for row in trained} == {"ok"}
    assert jobs_to_run(done, TINY, *RESULT) == []


def test_one_more_rung_computes_only_itself(done: Path) -> None:
    more = trainings(done, change(TINY, scaling__rungs__factors=[1, 4, 16, 64]))
    assert len(more) == 3
    assert all("factor=64" in job for job in more)


def test_one_more_seed_and_one_more_baseline_compute_only_themselves(done: Path) -> None:
    more = trainings(done, change(TINY, scaling__rungs__seeds=2))
    assert len(more) == 9
    assert all("seed=1" in job for job in more)
    other = trainings(done, change(TINY, retrain__baselines=["gpt2", "llama", "primer_ez"]))
    assert len(other) == 3
    assert all("network=primer_ez" in job for job in other)


def test_the_final_trainings_say_nothing_of_the_rungs(done: Path) -> None:
    assert jobs_to_run(done, change(TINY, retrain__recipe__compute=2e8), *RESULT) == []


def test_another_compute_or_another_size_trains_all_anew(done: Path) -> None:
    assert len(trainings(done, change(TINY, scaling__rungs__compute=2e8))) == 9
    assert len(trainings(done, change(TINY, scaling__rungs__spread=3))) == 9


def test_a_hand_designed_network_waits_for_no_search(tmp_path: Path) -> None:
    config = {**TINY, "data": {**TINY["data"], "path": str(tiny_text.write_text(tmp_path / "text"))}}
    plan = Plan(config, root=str(tmp_path / "results"))
    assert plan.climber("gpt2") == []
    assert plan.climber("winner") == [f"{tmp_path}/results/tiny/ranking/winners.csv"]


def test_without_rungs_there_are_no_such_jobs(tmp_path: Path) -> None:
    text = tiny_text.write_text(tmp_path / "text")
    off = {**TINY, "data": {**TINY["data"], "path": str(text)}, "scaling": {}}
    plan = Plan(off, root=str(tmp_path / "results"))
    assert plan.jobs("train_rung") == plan.jobs("gather_rungs") == []
