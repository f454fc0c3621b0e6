"""The workflow on text: from files to a recommendation, and what is stale after a change."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import tiny_text
from tiny_workflow import change, finish, jobs_to_run

from nas_steps.data.text.store import read_text_meta
from nas_steps.provenance.files import number, read_csv, read_json

TINY: dict[str, Any] = copy.deepcopy(tiny_text.TINY)
TINY["data"]["path"] = "text"
RESULTS = ["--until", "recommend", "compare"]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("language")
    tiny_text.write_text(folder / "text")
    finish(folder, TINY, *RESULTS)
    return folder


def test_a_run_ends_in_a_language_model(done: Path) -> None:
    results = done / "results" / "tiny"
    recommended = read_json(results / "recommended.json")
    assert recommended["architecture"].startswith("lm_v256_")
    assert recommended["metric"] == "neg_bits_per_byte"
    assert -8 < recommended["test_low"] < recommended["test_metric"] < recommended["test_high"] < 0
    entries = {row["entry"]: row for row in read_csv(results / "retraining" / "summary.csv")}
    assert {"random-0", "evolution-0", "uniform-0", "gpt2", "llama_d16_l2"} <= set(entries)
    assert all(row["trainings"] == "2" for row in entries.values())


def test_every_training_of_a_stage_had_the_same_compute(done: Path) -> None:
    trainings = sorted((done / "results" / "tiny" / "retraining").glob("*-s*/metrics.json"))
    assert len(trainings) == 12
    for path in trainings:
        metrics = read_json(path)
        if metrics["status"] == "unneeded":
            continue
        assert metrics["status"] == "ok"
        assert 0 <= 1e8 - metrics["flops"] < 6 * metrics["macs"]
        assert len(metrics["tried"]) == 2


def test_random_search_was_matched_to_evolution(done: Path) -> None:
    budget = read_json(done / "results" / "tiny" / "search" / "budget.json")
    assert budget["strategies"]["random"]["evaluations"] == budget["strategies"]["evolution"]["evaluations"] == 3
    for row in read_csv(done / "results" / "tiny" / "ranking" / "opponents.csv"):
        assert row["matched"] == "1"
        assert number(row["cost"]) == pytest.approx(number(row["random_cost"]), rel=0.1)


def test_the_prepared_text_is_shared_and_named_by_its_settings(done: Path) -> None:
    (folder,) = (done / "results" / "data").iterdir()
    assert folder.name.startswith("text-")
    assert read_text_meta(folder).context == 16


def rules(jobs: list[str]) -> set[str]:
    return {job.split()[0] for job in jobs}


def test_a_finished_run_has_nothing_to_do(done: Path) -> None:
    assert jobs_to_run(done, TINY, *RESULTS) == []


def test_one_more_seed_trains_itself_alone(done: Path) -> None:
    jobs = jobs_to_run(done, change(TINY, retrain__seeds=3), *RESULTS)
    assert rules(jobs) == {"retrain", "gather_retraining", "recommend"}
    assert all("seed=2" in job for job in jobs if job.startswith("retrain "))


def test_another_final_compute_leaves_the_searches(done: Path) -> None:
    jobs = jobs_to_run(done, change(TINY, retrain__recipe__compute=2e8), *RESULTS)
    assert rules(jobs) == {"retrain", "gather_retraining", "recommend"}


def test_another_compute_of_the_search_makes_it_anew(done: Path) -> None:
    jobs = jobs_to_run(done, change(TINY, search__estimator__compute=2e8), *RESULTS)
    assert {"budget", "evaluate", "score_sample", "rank"} <= rules(jobs)
    assert "text" not in rules(jobs)
    assert "train_sample" not in rules(jobs)
    assert not any("entry=gpt2_" in job for job in jobs)


def test_other_text_makes_everything_anew(done: Path) -> None:
    file = done / "text" / "00.txt"
    before = file.read_bytes()
    try:
        file.write_bytes(before + b" more")
        assert "text" in rules(jobs_to_run(done, TINY, *RESULTS))
    finally:
        file.write_bytes(before)
    assert jobs_to_run(done, TINY, *RESULTS) == []
