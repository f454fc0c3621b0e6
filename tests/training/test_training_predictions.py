"""The predictions of final trainings: what each image of a split was taken for, and how surely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from stepping import run
from tiny_world import RECIPE, prepared, retrained, settings

from nas_steps.data.store import load_split
from nas_steps.provenance.files import read_json
from nas_steps.training.record import Entry, write_untrained

SPLITS = ("valid", "test")
FILE = "predictions.safetensors"


def train(output: Path, **changes: Any) -> dict[str, np.ndarray]:
    """The predictions of a training of resnet20 by the tiny recipe with `changes`."""
    which = {"entry": "resnet20", "kind": "baseline", "family": "resnet", "seed": 0}
    run("retrain", settings=settings(**changes)["retrain"], data=prepared(), **which, output=output)
    return load_file(output / FILE)


def test_predictions_have_the_order_of_the_images_and_the_accuracy_of_the_record() -> None:
    metrics = read_json(retrained("resnet20"))
    found = load_file(Path(retrained("resnet20")).with_name(FILE))
    assert set(found) == {"valid", "valid_confidence", "test", "test_confidence"}
    for name in SPLITS:
        labels, confidence = load_split(prepared(), name).labels, found[f"{name}_confidence"]
        assert (found[name].dtype, found[name].shape) == (np.int64, labels.shape)
        assert (confidence.dtype, confidence.shape) == (np.float32, labels.shape)
        assert 0.1 <= confidence.min() <= confidence.max() <= 1  # the likeliest of ten
        assert (found[name] == labels).mean() == pytest.approx(metrics[f"{name}_accuracy"])
    # in another order the accuracy would be another
    labels = load_split(prepared(), "test").labels
    assert (found["test"][::-1] == labels).mean() != pytest.approx(metrics["test_accuracy"])


def test_the_file_is_the_same_after_the_same_training(tmp_path: Path) -> None:
    train(tmp_path)
    assert (tmp_path / FILE).read_bytes() == Path(retrained("resnet20")).with_name(FILE).read_bytes()


def test_a_training_on_the_validation_images_does_not_predict_them(tmp_path: Path) -> None:
    assert set(train(tmp_path, retrain__train_on="train+valid")) == {"test", "test_confidence"}


def test_an_unsound_training_predicts_nothing(tmp_path: Path) -> None:
    recipe = RECIPE | {"learning_rate": 1e30, "epochs": 3}
    assert train(tmp_path / "diverged", retrain__recipe=recipe) == {}
    assert read_json(tmp_path / "diverged" / "metrics.json")["status"] == "diverged"
    write_untrained(tmp_path / "missing", Entry("darts-0", "searched", ""), 0, status="missing", reason="none")
    assert load_file(tmp_path / "missing" / FILE) == {}
