"""Means, intervals, comparisons of networks, and the steps retrain and gather_retraining."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy import stats
from stepping import run
from tiny_world import CONVOLUTION, MIXED, retrained, settings

from nas_steps.data.store import load_split
from nas_steps.errors import UserError
from nas_steps.estimation.table import Benchmark
from nas_steps.intervals import accuracy_interval, mean_interval
from nas_steps.provenance.files import read_csv, read_json, write_csv, write_json
from nas_steps.ranking.rank import WINNERS
from nas_steps.retraining.contests import write_tables
from nas_steps.retraining.predictions import read_trainings
from nas_steps.retraining.steps.lookup import looked_up
from nas_steps.retraining.summary import COMPARISONS, NO_IMAGES, NO_INTERVAL, NO_TRAININGS, compare, summarise
from nas_steps.search.slots import slot_of
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


def test_two_networks_are_compared_by_the_variance_of_all() -> None:
    ours, theirs = [0.9, 0.85, 0.88], [0.8, 0.86, 0.79]
    trainings = [metrics("darts-0", "searched", seed, value) for seed, value in enumerate(ours)]
    trainings += [metrics("resnet20", "baseline", seed, value) for seed, value in enumerate(theirs)]
    (alone,) = compare(trainings)
    expected = stats.ttest_ind(ours, theirs)
    interval = expected.confidence_interval(0.95)
    assert alone["seeds"] == "3 against 3"
    assert (alone["low"], alone["high"], alone["p_value"]) == pytest.approx(
        (interval.low, interval.high, expected.pvalue)
    )
    assert alone["p_holm"] == alone["p_value"]
    assert (alone["strategy"], alone["role"], alone["note"]) == ("darts", "baseline", NO_IMAGES)
    assert tuple(sorted(alone)) == tuple(sorted(COMPARISONS))
    # another entry gives degrees of freedom; it varies less
    steady = [metrics("largest", "largest", seed, 0.5 + 0.001 * seed) for seed in range(3)]
    more = compare(trainings + steady)[0]
    assert more["difference"] == alone["difference"]
    assert more["high"] - more["low"] < alone["high"] - alone["low"]


def test_one_training_each_claims_nothing_and_counts_images_alone() -> None:
    right = [np.repeat([1.0, 0.0], [count, 200 - count]) for count in (190, 120)]
    names = {"darts-0": "searched", "resnet20": "baseline"}
    trainings = [
        metrics(name, kind, 0, float(correct.mean())) | {"correct": correct}
        for (name, kind), correct in zip(names.items(), right, strict=True)
    ]
    (row,) = compare(trainings)
    error = math.sqrt((right[0] - right[1]).var(ddof=1) / 200)
    assert (row["low"], row["high"]) == pytest.approx((0.35 - 1.95996 * error, 0.35 + 1.95996 * error), rel=1e-4)
    assert (row["outcome"], row["note"]) == ("few", NO_TRAININGS)
    assert [one["note"] for one in summarise(trainings)] == [NO_TRAININGS] * 2
    (without,) = compare([one | {"correct": None} for one in trainings])
    assert (without["outcome"], without["difference"]) == ("few", pytest.approx(0.35))
    assert math.isnan(without["low"])


def test_one_lookup_or_one_training_without_predictions_has_no_interval_and_says_so() -> None:
    (row,) = summarise([metrics("resnet20", "baseline", 0, 0.9)])
    assert math.isnan(row["test_low"])
    assert row["note"] == NO_INTERVAL


def test_each_network_meets_the_opponent_of_its_own_search() -> None:
    names = ["darts-0", "darts-1", "random-0", "random-1", "random.2-0"]
    kinds = {name: "searched" if name.startswith("darts") else "random" for name in names}
    trainings = [metrics(name, kind, seed, 0.1 * seed) for name, kind in kinds.items() for seed in range(2)]
    opponents = [
        {"strategy": "darts", "search_seed": "0", "entry": "random.2-0"},
        {"strategy": "darts", "search_seed": "1", "entry": "random-1"},
    ]
    assert [(row["entry"], row["against"]) for row in compare(trainings, opponents)] == [
        ("darts-0", "random.2-0"),
        ("darts-1", "random-1"),
    ]
    assert len(compare(trainings)) == 6
    assert [row["strategy"] for row in summarise(trainings)] == ["darts"] * 2 + ["random"] * 3


def test_unneeded_slots_are_left_out_everywhere(tmp_path: Path) -> None:
    trainings = [metrics("darts-0", "searched", seed, 0.1 * seed) for seed in range(2)]
    trainings += [metrics("random.2-0", "random", seed, math.nan, "unneeded") for seed in range(2)]
    write_tables(trainings, tmp_path, [])
    for table, rows in (("retrained", 2), ("summary", 1), ("comparisons", 0), ("contests", 0)):
        found = read_csv(tmp_path / f"{table}.csv")
        assert len(found) == rows
        assert all(row["entry"] == "darts-0" for row in found)


def test_trainings_at_chance_level_are_counted_and_widen_their_own_interval_alone() -> None:
    def trained(entry: str, seed: int, test: float) -> dict[str, Any]:
        return metrics(entry, "baseline", seed, test) | {"test_images": 1000, "chance_level": 0.1}

    steady = [trained("steady", seed, 0.9 + 0.001 * seed) for seed in range(2)]
    fallen = [trained("fallen", 0, 0.9), trained("fallen", 1, 0.115)]
    above = [trained("above", seed, 0.13) for seed in range(2)]
    rows = {row["entry"]: row for row in summarise(steady + fallen + above)}
    assert {name: row["chance"] for name, row in rows.items()} == {"steady": 0, "fallen": 1, "above": 0}
    assert rows["steady"]["test_high"] - rows["steady"]["test_low"] < 0.01
    assert (rows["fallen"]["test_low"], rows["fallen"]["test_high"]) == (0.0, 1.0)
    # the exact binomial interval: 118 of 1,000 hold a tenth, 121 do not
    low = {right: stats.binomtest(right, 1000).proportion_ci(0.95).low for right in (118, 121)}
    assert low[118] <= 0.1 < low[121]
    counted = [summarise([trained("one", 0, right / 1000)])[0]["chance"] for right in low]
    assert counted == [1, 0]
    assert math.isnan(summarise([metrics("in a table", "searched", 0, 0.9)])[0]["chance"])


def test_lookups_of_a_table_are_compared_over_searches(tmp_path: Path) -> None:
    values = {"evolution": [0.93, 0.94, 0.935, 0.945], "random": [0.92, 0.925, 0.93, 0.915], "random.2": [0.9]}
    rows = [
        {"entry": f"{name}-{seed}", "kind": "searched" if name == "evolution" else "random"}
        | {"strategy": name.partition(".")[0], "search_seed": str(seed), "architecture": f"{name} {seed}"}
        for name, several in values.items()
        for seed in range(len(several))
    ]
    table = {
        f"{name} {seed}": (0.5, value, math.nan)
        for name, several in values.items()
        for seed, value in enumerate(several)
    }
    whole = looked_up([row for row in rows if slot_of(row["entry"]) == 1], Benchmark(table))
    slots = looked_up([row for row in rows if slot_of(row["entry"]) > 1], Benchmark(table))
    opponents = [
        {"strategy": "evolution", "search_seed": str(seed), "random": "random", "matched": "1", "note": ""}
        | {"entry": "random.2-0" if seed == 0 else f"random-{seed}"}
        for seed in range(4)
    ]
    write_tables(whole, tmp_path, opponents, slots)
    assert len(read_csv(tmp_path / "retrained.csv")) == 8
    evolution, random = read_csv(tmp_path / "summary.csv")
    known = mean_interval(values["evolution"])
    assert float(evolution["test_low"]) == pytest.approx(known["low"])
    assert (random["trainings"], random["chance"]) == ("4", "")
    assert float(random["test_mean"]) == pytest.approx(np.mean(values["random"]))
    assert read_csv(tmp_path / "comparisons.csv") == []
    (row,) = read_csv(tmp_path / "contests.csv")
    expected = stats.ttest_ind(values["evolution"], [0.9, *values["random"][1:]], equal_var=False)
    assert float(row["p_value"]) == pytest.approx(expected.pvalue)
    assert (row["searches"], row["against_searches"], row["matched"]) == ("4", "4", "1")
    assert row["note"] == NO_IMAGES


def test_predictions_are_read_by_the_labels_of_the_prepared_images(tmp_path: Path, data: str) -> None:
    labels = load_split(data, "test").labels
    for name, tensors in (("sound", {"test": np.where(np.arange(60) < 45, labels, (labels + 1) % 10)}), ("failed", {})):
        folder = tmp_path / name
        folder.mkdir()
        write_json(folder / "metrics.json", metrics(name, "baseline", 0, 0.75, "ok" if tensors else "diverged"))
        save_file(tensors, folder / "predictions.safetensors")
    files = [
        [tmp_path / name / file for name in ("sound", "failed")] for file in ("metrics.json", "predictions.safetensors")
    ]
    sound, failed = read_trainings(files[0], reversed(files[1]), data)
    assert sound["correct"].tolist() == [1.0] * 45 + [0.0] * 15
    assert (failed["correct"], sound["chance_level"]) == (None, 0.1)
    save_file({"test": labels[:7]}, files[1][0])
    with pytest.raises(UserError, match="predictions of 7 test images"):
        read_trainings(*files, data)


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
    assert (row["seeds"], row["outcome"]) == ("2 against 0", "missing")


def test_a_baseline_and_a_winner_are_trained_and_gathered(tmp_path: Path, data: str) -> None:
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
    gather(paths, data, tmp_path)
    assert [row["entry"] for row in read_csv(tmp_path / "retrained.csv")] == ["resnet20", "darts-0"]
    summary = read_csv(tmp_path / "summary.csv")
    assert [row["trainings"] for row in summary] == ["1", "1"]
    assert all(float(row["test_low"]) < float(row["test_mean"]) < float(row["test_high"]) for row in summary)
    (row,) = read_csv(tmp_path / "comparisons.csv")
    assert (row["note"], row["outcome"]) == (NO_TRAININGS, "few")
    (row,) = read_csv(tmp_path / "contests.csv")
    assert row["note"].startswith("1 of the 4 searches that a claim needs")


def gather(paths: list[str | Path], data: str, output: Path) -> None:
    write_csv(output / "opponents.csv", [], ("strategy", "search_seed", "random", "entry", "matched", "note"))
    predictions = [Path(path).with_name("predictions.safetensors") for path in paths]
    given = {"data": data, "predictions": predictions, "opponents": output / "opponents.csv"}
    run("gather_retraining", trainings=paths, **given, output=output)


def test_a_search_without_a_winner_is_missing(tmp_path: Path, data: str) -> None:
    write_csv(tmp_path / "winners.csv", [{"entry": "other-0", "architecture": MIXED}], WINNERS)
    given = {"settings": settings()["retrain"], "data": data, "winners": tmp_path / "winners.csv"}
    run("retrain", **given, entry="darts-0", kind="searched", seed=1, output=tmp_path / "out")
    found = read_json(tmp_path / "out" / "metrics.json")
    assert (found["status"], found["seed"], found["test_accuracy"]) == ("missing", 1, None)
    assert "could be trained" in found["reason"]
    gather([tmp_path / "out" / "metrics.json"], data, tmp_path)
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
