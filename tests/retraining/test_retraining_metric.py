"""Another metric than accuracy: final trainings, their intervals, and the recommendation on imbalanced classes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.metrics import balanced_accuracy_score, f1_score
from stepping import run
from tiny_world import ROOT, TINY, prepared, settings

from nas_steps.config.load import load
from nas_steps.data.prepare import prepare
from nas_steps.data.settings import DataSettings
from nas_steps.data.store import load_split, read_meta
from nas_steps.errors import UserError
from nas_steps.metrics import contributions, value
from nas_steps.provenance.files import read_csv, read_json, write_csv, write_json
from nas_steps.ranking.opponents import OPPONENTS
from nas_steps.ranking.rank import WINNERS
from nas_steps.retraining.predictions import read_trainings
from nas_steps.retraining.recommend import RULES
from nas_steps.retraining.steps.recommend import chance_level
from nas_steps.retraining.summary import chance_trainings, compare, summarise, worth_of
from nas_steps.training.record import Entry, record


@cache
def imbalanced() -> str:
    """Prepared noise in two classes, eight times as many images of the first."""
    root = Path(ROOT.name) / "imbalanced"
    root.mkdir()
    dice = np.random.default_rng(0)
    labels = np.repeat([0, 1], [800, 100])
    np.savez(root / "a.npz", images=dice.integers(0, 256, (900, 8, 8), np.uint8), labels=labels)
    config = load({**TINY, "data": {"source": "npz", "path": str(root / "a.npz"), "valid": 0.4, "test": 0.4}})
    prepare(DataSettings(seed=0, data=config.data), root / "data")
    return str(root / "data")


#: the recalls of the two classes: the first network is right more often, the second knows the rare class
RECALLS = {"majority": (0.99, 0.2), "fair": (0.85, 0.9)}


def trained(folder: Path, metric: str) -> dict[str, Any]:
    """Files of two networks of one size, by their recalls, trained twice each."""
    dice, trainings, predictions = np.random.default_rng(1), [], []
    labels = {split: load_split(imbalanced(), split).labels for split in ("valid", "test")}
    for name, recalls in RECALLS.items():
        for seed in range(2):
            where = folder / f"{name}-s{seed}"
            where.mkdir(parents=True)
            tensors = {}
            metrics = record(Entry(name, "baseline", name), seed) | {"status": "ok", "train_on": "train"}
            metrics |= {"metric": metric, "parameters": 5, "macs": 5, "test_images": len(labels["test"])}
            for split, own in labels.items():
                hit = dice.random(len(own)) < np.array(recalls)[own]
                tensors[split] = np.where(hit, own, 1 - own)
                metrics |= {f"{split}_accuracy": float(hit.mean()), f"{split}_loss": 0.5}
                metrics[f"{split}_metric"] = value(metric, tensors[split], own, 2)
            write_json(where / "metrics.json", metrics)
            save_file(tensors, where / "predictions.safetensors")
            trainings.append(where / "metrics.json")
            predictions.append(where / "predictions.safetensors")
    return {"data": imbalanced(), "trainings": trainings, "predictions": predictions}


def recommended(folder: Path, metric: str) -> dict[str, Any]:
    files = trained(folder, metric)
    write_csv(folder / "opponents.csv", [], OPPONENTS)
    run("gather_retraining", **files, opponents=folder / "opponents.csv", output=folder)
    run("recommend", settings=settings()["recommend"], **files, summary=folder / "summary.csv", output=folder)
    return read_json(folder / "recommended.json")


def test_the_metric_changes_the_winner_on_imbalanced_classes(tmp_path: Path) -> None:
    by_accuracy = recommended(tmp_path / "a", "accuracy")
    assert (by_accuracy["entry"], by_accuracy["metric"]) == ("majority", "accuracy")
    assert by_accuracy["rule"] == RULES["valid"]
    assert by_accuracy["test_metric"] == by_accuracy["test_accuracy"]
    for metric, words in (("balanced_accuracy", "balanced accuracy"), ("macro_f1", "macro-F1")):
        found = recommended(tmp_path / metric, metric)
        (fair,) = (row for row in found["considered"] if row["entry"] == "fair")
        (majority,) = (row for row in found["considered"] if row["entry"] == "majority")
        assert (found["entry"], found["metric"]) == ("fair", metric)
        assert fair["valid_metric"] > majority["valid_metric"]
        assert fair["valid_accuracy"] < majority["valid_accuracy"]
        assert fair["test_accuracy"] < majority["test_accuracy"]
        assert fair["test_low"] < fair["test_metric"] < fair["test_high"]
        assert majority["behind"] == pytest.approx(fair["valid_metric"] - majority["valid_metric"])
        assert f"best validation {words}" in found["rule"]


def test_the_tables_hold_both_figures(tmp_path: Path) -> None:
    recommended(tmp_path / "a", "accuracy")
    assert "test_metric" not in read_csv(tmp_path / "a" / "retrained.csv")[0]
    recommended(tmp_path / "b", "balanced_accuracy")
    for row in read_csv(tmp_path / "b" / "retrained.csv"):
        saved = load_file(tmp_path / "b" / f"{row['entry']}-s{row['seed']}" / "predictions.safetensors")
        labels = load_split(imbalanced(), "test").labels
        assert float(row["test_metric"]) == pytest.approx(balanced_accuracy_score(labels, saved["test"]))
        assert float(row["test_accuracy"]) == pytest.approx((labels == saved["test"]).mean())


@pytest.mark.parametrize("metric", ["balanced_accuracy", "macro_f1"])
def test_summaries_and_comparisons_are_of_contributions(tmp_path: Path, metric: str) -> None:
    files = trained(tmp_path, metric)
    trainings = read_trainings(files["trainings"], files["predictions"], files["data"])
    rows = {row["entry"]: row for row in summarise(trainings)}
    for name, row in rows.items():
        mine = [one for one in trainings if one["entry"] == name]
        assert row["test_mean"] == pytest.approx(np.mean([one["correct"].mean() for one in mine]))
        assert row["test_low"] < row["test_mean"] < row["test_high"]
    # the recall of a rare class is known less well than the accuracy
    plain = trained(tmp_path / "plain", "accuracy")
    (by_accuracy, _) = summarise(read_trainings(plain["trainings"], plain["predictions"], plain["data"]))
    assert (
        rows["majority"]["test_high"] - rows["majority"]["test_low"]
        > by_accuracy["test_high"] - by_accuracy["test_low"]
    )
    assert worth_of(trainings) == pytest.approx(4.5, rel=0.05)
    searched = [{**one, "kind": "searched"} if one["entry"] == "fair" else one for one in trainings]
    (against,) = compare(searched)
    assert against["outcome"] == "beat"
    assert against["difference"] == pytest.approx(rows["fair"]["test_mean"] - rows["majority"]["test_mean"])


def test_a_network_that_names_one_class_is_at_chance_level(tmp_path: Path) -> None:
    files = trained(tmp_path, "balanced_accuracy")
    one, *_ = read_trainings(files["trainings"], files["predictions"], files["data"])
    labels = load_split(imbalanced(), "test").labels
    constant = contributions("balanced_accuracy", np.zeros_like(labels), labels, 2)
    dead = {**one, "correct": constant, "test_metric": 0.5, "test_accuracy": 8 / 9}
    assert chance_trainings([one, dead]) == 1
    assert 0.5 < chance_level(np.array([320, 40]), "balanced_accuracy") < 0.6


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "macro_f1"])
def test_a_final_training_records_the_metric_of_its_predictions(tmp_path: Path, metric: str) -> None:
    write_csv(tmp_path / "winners.csv", [], WINNERS)
    where = {"settings": settings(metric=metric)["retrain"], "data": prepared(), "winners": tmp_path / "winners.csv"}
    run("retrain", entry="resnet20", kind="baseline", seed=0, **where, output=tmp_path)
    metrics, saved = read_json(tmp_path / "metrics.json"), load_file(tmp_path / "predictions.safetensors")
    assert metrics["metric"] == metric
    for split in ("valid", "test"):
        labels = load_split(prepared(), split).labels
        expected = {
            "accuracy": (labels == saved[split]).mean(),
            "balanced_accuracy": balanced_accuracy_score(labels, saved[split]),
            "macro_f1": f1_score(labels, saved[split], average="macro"),
        }
        assert metrics[f"{split}_metric"] == pytest.approx(expected[metric])
        assert metrics[f"{split}_accuracy"] == pytest.approx(expected["accuracy"])
    assert ("valid_metric" in read_csv(tmp_path / "history.csv")[0]) == (metric != "accuracy")


def test_a_missing_class_is_refused_before_the_first_training(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for file in Path(prepared()).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    meta = read_json(folder / "meta.json")
    gone = read_meta(folder).classes[3]
    meta["counts"]["valid"][gone] = 0
    write_json(folder / "meta.json", meta)
    write_csv(tmp_path / "winners.csv", [], WINNERS)
    where = {"settings": settings(metric="macro_f1")["retrain"], "data": folder, "winners": tmp_path / "winners.csv"}
    with pytest.raises(UserError, match=rf"metric is macro_f1.*no validation image of {gone}"):
        run("retrain", entry="resnet20", kind="baseline", seed=0, **where, output=tmp_path)


def test_a_table_has_its_own_figures() -> None:
    estimator = {"kind": "table", "path": __file__, "search": "b", "report": "c"}
    raw = {"search": {"estimator": estimator, "strategies": {"random": {}, "evolution": {}}}, "metric": "macro_f1"}
    with pytest.raises(UserError, match=r"metric is macro_f1, but search.estimator is a table"):
        load(raw)
    with pytest.raises(UserError, match=r"metric: given 'macro-f1', allowed is .*did you mean 'macro_f1'"):
        load({"metric": "macro-f1"})
