"""The jobs of the ranking: what waits for what, asked of `snakemake -n`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tiny_workflow import TINY, change, snakemake

JUDGING = {"sample", "train_sample", "score_sample", "screen_sample", "calibrate"}


def inputs(folder: Path, config: dict[str, Any]) -> dict[str, str]:
    """The inputs of each rule's jobs, in a dry run."""
    result = snakemake(folder, config, "--dry-run", "--forceall")
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    found: dict[str, str] = {}
    for block in re.split(r"^\[.*\d{4}\]$", output, flags=re.M):
        if rule := re.search(r"^(?:local)?rule (\w+):", block, flags=re.M):
            read = re.search(r"^ +input: (.*)$", block, flags=re.M)
            found[rule[1]] = found.get(rule[1], "") + (read[1] if read else "")
    return found


def test_a_shortlist_of_given_length_waits_for_no_sample(tmp_path: Path) -> None:
    rules = inputs(tmp_path, TINY)
    assert JUDGING - {"screen_sample"} <= set(rules)
    assert "screen_sample" not in rules
    assert re.findall(r"ranking/[\w./-]+", rules["shortlist"]) == ["ranking/matches.csv"]
    assert "sample" not in rules["train_shortlist"] + rules["rank"]
    # the sample waits for no search, and its scores for no training
    assert rules["sample"] == ""
    assert "search/" not in rules["train_sample"] + rules["score_sample"]
    for file in ("sample/seed-0-shard-0.csv", "sample/score-0.csv", "darts-0/candidates.csv"):
        assert file in rules["calibrate"]
    for file in ("estimators.csv", "pool.csv", "calibration.json", "sufficiency.csv"):
        assert f"ranking/{file}" in rules["report"]


def test_a_shortlist_of_automatic_length_waits_for_the_calibration(tmp_path: Path) -> None:
    rules = inputs(tmp_path, change(TINY, ranking__shortlist="auto", ranking__uniform=7))
    assert "ranking/calibration.json" in rules["shortlist"]
    assert "shortlist" not in rules["calibrate"]


def test_without_a_sample_there_are_none_of_its_jobs(tmp_path: Path) -> None:
    rules = inputs(tmp_path, change(TINY, ranking__uniform=0))
    assert not JUDGING & set(rules)
    assert "ranking/shortlist.csv" in rules["compare"]
    assert "sample" not in rules["compare"]


def test_a_screens_score_is_judged_too(tmp_path: Path) -> None:
    rules = inputs(
        tmp_path, change(TINY, search__screen={"proxy": "synflow", "batch_size": 20, "proposals_per_evaluation": 2})
    )
    assert "sample/screen-0.csv" in rules["compare"]
    assert "sample/proposals.csv" in rules["screen_sample"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ranking__shortlist": "auto", "ranking__uniform": 0}, ["shortlist is auto, but uniform is 0"]),
        ({"ranking__uniform": 10**9, "space": {"nodes": 1}}, ["ranking.uniform is 1000000000", "lower it"]),
    ],
)
def test_a_pool_that_cannot_be_is_refused_before_any_job(
    tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    result = snakemake(tmp_path, change(TINY, **changes))
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert all(word in output for word in words), output
    assert "Traceback" not in output
    assert not (tmp_path / "results").exists()


def test_where_a_supernet_scores_it_scores_the_sample_too(tmp_path: Path) -> None:
    supernet = {"kind": "shared_weights", "supernet": {"epochs": 2, "sampling": "uniform"}}
    random = {"random": {"evaluations": 4}}
    rules = inputs(tmp_path, change(TINY, search__estimator=supernet, search__strategies=random))
    assert "supernet/seed-0/weights.safetensors" in rules["score_by_supernet"]
    assert "sample/proposals.csv" in rules["score_by_supernet"]
    assert "score_sample" not in rules
    for rule in ("calibrate", "compare"):
        assert "sample/score-0.csv" in rules[rule]


def test_where_the_searches_keep_limits_the_sample_does(tmp_path: Path) -> None:
    strategies = {"random": {"evaluations": 4}}
    constraints = {"parameters": 10**6}
    rules = inputs(tmp_path, change(TINY, search__constraints=constraints, search__strategies=strategies))
    assert "search/blocks.csv" in rules["sample"]
