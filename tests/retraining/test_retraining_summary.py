"""Means, intervals, paired comparisons, and the steps retrain and gather_retraining."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from stepping import run
from tiny_world import CONVOLUTION, MIXED, retrained, settings

from nas_steps.errors import UserError
from nas_steps.intervals import accuracy_interval, mean_interval
from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.ranking.rank import WINNERS
from nas_steps.retraining.summary import compare, summarise
from nas_steps.training.record import Entry, record


def metrics(entry: str, kind: str, seed: int, test: float, status: str = "ok") -> dict[str, Any]:
    known = {"status": status, "test_accuracy": test, "valid_accuracy": 0.5, "train_seconds": 2.0, "macs": 7}
    return record(Entry(entry, kind, entry), seed) | known


@pytest.mark.parametrize("values", [[0.1, 0.4], [0.7, 0.71, 0.69, 0.75], list(np.linspace(0, 1, 9))])
def test_mean_interval_is_scipys(values: list[float]) -> None:
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    assert (found["mean"], found["low"], found["high"]) == pytest.approx((np.mean(values), low, high))
    assert found["std"] == pytest.approx(np.std(values, ddof=1))


def test_mean_interval_of_too_few() -> None:
    assert mean_interval([0.5])["mean"] == 0.5
    assert all(math.isnan(mean_interval([0.5])[key]) for key in ("std", "low", "high"))
    assert all(math.isnan(value) for value in mean_interval([]).values())


def test_an_interval_of_accuracies_stays_between_0_and_1() -> None:
    wide = accuracy_interval([0.3, 0.9])
    assert (wide["low"], wide["high"]) == (0.0, 1.0)
    assert wide["mean"] == pytest.approx(0.6)
    assert accuracy_interval([0.5, 0.51]) == mean_interval([0.5, 0.51])
    assert math.isnan(accuracy_interval([0.5])["low"])


def test_the_paired_comparison_is_scipys() -> None:
    ours, theirs = [0.9, 0.85, 0.88, 0.95], [0.8, 0.86, 0.79, 0.9]
    trainings = [metrics("darts-0", "searched", seed, value) for seed, value in enumerate(ours)]
    # given in another order, so that pairs must be found by their seeds
    trainings += [metrics("resnet20", "baseline", seed, theirs[seed]) for seed in (2, 0, 3, 1)]
    (found,) = compare(trainings)
    expected = stats.ttest_rel(ours, theirs)
    interval = expected.confidence_interval(0.95)
    assert found["pairs"] == 4
    assert found["difference"] == pytest.approx(np.mean(np.subtract(ours, theirs)))
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high))
    assert found["p_value"] == found["p_holm"] == pytest.approx(expected.pvalue)
    assert (found["strategy"], found["role"], found["note"]) == ("darts", "baseline", "")


def test_searched_entries_meet_all_that_was_not_searched() -> None:
    names = {"darts-0": "searched", "evolution-0": "searched", "uniform-0": "uniform", "largest": "largest"}
    trainings = [metrics(name, kind, seed, 0.1 * seed) for name, kind in names.items() for seed in range(3)]
    found = compare(trainings)
    assert [(row["entry"], row["against"], row["role"]) for row in found] == [
        (mine, *other)
        for mine in ("darts-0", "evolution-0")
        for other in (("uniform-0", "uniform"), ("largest", "largest"))
    ]
    assert [row["strategy"] for row in summarise(trainings)] == ["darts", "evolution", "uniform", ""]


def test_searched_entries_meet_random_ones_and_baselines_and_not_each_other() -> None:
    names = {"darts-0": "searched", "evolution-0": "searched", "random-0": "random", "resnet20": "baseline"}
    trainings = [metrics(name, kind, seed, 0.1 * seed) for name, kind in names.items() for seed in range(3)]
    assert [(row["entry"], row["against"]) for row in compare(trainings)] == [
        ("darts-0", "random-0"),
        ("darts-0", "resnet20"),
        ("evolution-0", "random-0"),
        ("evolution-0", "resnet20"),
    ]


def test_diverged_trainings_are_counted_and_not_averaged() -> None:
    trainings = [metrics("darts-0", "searched", 0, math.nan, "diverged")]
    trainings += [metrics("darts-0", "searched", seed, 0.1 * seed) for seed in (1, 2)]
    trainings += [metrics("resnet20", "baseline", 0, math.nan, "diverged")]
    darts_row, resnet = summarise(trainings)
    assert (darts_row["trainings"], darts_row["diverged"]) == (2, 1)
    assert darts_row["test_mean"] == pytest.approx(0.15)
    assert darts_row["strategy"] == "darts"
    assert (resnet["trainings"], resnet["diverged"], resnet["strategy"]) == (0, 1, "")
    assert all(math.isnan(resnet[key]) for key in ("test_mean", "valid_mean", "train_seconds"))
    (row,) = compare(trainings)
    assert row["pairs"] == 0


def test_a_baseline_and_a_winner_are_trained_and_gathered(tmp_path: Path) -> None:
    paths = [retrained("resnet20"), retrained("darts-0", MIXED)]
    found = [read_json(path) for path in paths]
    assert all(set(one) == set(record(Entry("x", "baseline", "x"), 0)) for one in found)
    assert [(one["entry"], one["kind"], one["architecture"]) for one in found] == [
        ("resnet20", "baseline", "resnet20"),
        ("darts-0", "searched", MIXED),
    ]
    for path, one in zip(paths, found, strict=True):
        assert (one["status"], one["test_images"], one["side"]) == ("ok", 60, 8)
        assert one["test_file"]["name"] == "test_images.npy"
        assert 0 <= one["test_accuracy"] <= 1
        assert len(read_csv(Path(path).parent / "history.csv")) == 1
        assert (Path(path).parent / "weights.safetensors").stat().st_size > 1000
    run("gather_retraining", trainings=paths, output=tmp_path)
    assert [row["entry"] for row in read_csv(tmp_path / "retrained.csv")] == ["resnet20", "darts-0"]
    assert [row["trainings"] for row in read_csv(tmp_path / "summary.csv")] == ["1", "1"]
    assert [row["note"] for row in read_csv(tmp_path / "comparisons.csv")] == ["1 of the 3 seeds that a claim needs"]


def test_a_search_without_a_winner_is_missing(tmp_path: Path, data: str) -> None:
    write_csv(tmp_path / "winners.csv", [{"entry": "other-0", "architecture": MIXED}], WINNERS)
    given = {"settings": settings()["retrain"], "data": data, "winners": tmp_path / "winners.csv"}
    run("retrain", **given, entry="darts-0", kind="searched", seed=1, output=tmp_path / "out")
    found = read_json(tmp_path / "out" / "metrics.json")
    assert (found["status"], found["seed"], found["test_accuracy"]) == ("missing", 1, None)
    assert "could be trained" in found["reason"]
    run("gather_retraining", trainings=[tmp_path / "out" / "metrics.json"], output=tmp_path)
    (row,) = read_csv(tmp_path / "summary.csv")
    assert (row["trainings"], row["diverged"], row["test_mean"]) == ("0", "0", "")


def test_only_final_trainings_need_the_test_set(tmp_path: Path, data: str) -> None:
    without = tmp_path / "data"
    shutil.copytree(data, without)
    for file in without.glob("test_*"):
        file.unlink()
    files, shared = settings(), {"data": without, "seed": 0}
    run("budget", settings=files["budget"], data=without, output=tmp_path)
    run("darts", settings=files["darts"], **shared, strategy="darts", output=tmp_path / "darts-0")
    write_csv(tmp_path / "some.csv", [{"index": 0, "architecture": CONVOLUTION}], ("index", "architecture"))
    shard = {**shared, "proposals": tmp_path / "some.csv", "shard": 0, "shards": 1}
    run("evaluate", settings=files["evaluate"], **shard, strategy="random", round=0, output=tmp_path / "search")
    run("train_shortlist", settings=files["train_shortlist"], **shard, output=tmp_path / "ranking")
    for table in ("search/shard-0.csv", "ranking/seed-0-shard-0.csv"):
        assert [row["status"] for row in read_csv(tmp_path / table)] == ["ok"]
    with pytest.raises(UserError, match=r"test_images\.npy is missing"):
        run("retrain", settings=files["retrain"], **shared, entry="resnet20", kind="baseline", output=tmp_path / "out")
    assert not (tmp_path / "out" / "metrics.json").exists()
