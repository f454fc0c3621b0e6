"""Metrics against scikit-learn, their contributions by image, and the words that speak of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from nas_steps.metrics import (
    ADDED,
    METRICS,
    chance,
    contributions,
    figure_of,
    from_counts,
    metric_of,
    smoothing,
    undefined,
    value,
    worth_of_an_image,
)

SKLEARN = {
    "accuracy": accuracy_score,
    "balanced_accuracy": balanced_accuracy_score,
    "macro_f1": lambda labels, predicted: f1_score(labels, predicted, average="macro"),
}


def drawn(classes: int, images: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and labels of classes in the shares 1, 1/2, 1/3, ...; rarer ones are recognised less."""
    dice = np.random.default_rng(seed)
    shares = 1 / np.arange(1, classes + 1)
    labels = np.concatenate([np.arange(classes), dice.choice(classes, images - classes, p=shares / shares.sum())])
    known = dice.random(images) < 0.9 - 0.5 * labels / classes
    return np.where(known, labels, dice.integers(classes, size=images)), labels


@pytest.mark.parametrize("classes", [2, 5, 10])
@pytest.mark.parametrize("metric", METRICS)
def test_the_value_is_scikit_learns(metric: str, classes: int) -> None:
    predicted, labels = drawn(classes)
    assert value(metric, predicted, labels, classes) == pytest.approx(SKLEARN[metric](labels, predicted), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_a_batch_without_a_class_is_judged_by_the_others(metric: str) -> None:
    predicted, labels = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])
    assert value(metric, predicted, labels, 5) == pytest.approx(SKLEARN[metric](labels, predicted), abs=1e-12)
    many = from_counts(metric, [[2, 1, 0], [3, 0, 0]], [[2, 2, 0], [4, 0, 0]], [[3, 1, 0], [3, 1, 0]])
    assert many == pytest.approx([value(metric, predicted, labels, 3), value(metric, np.zeros(4, int), labels, 3)])


@pytest.mark.parametrize("classes", [2, 7])
@pytest.mark.parametrize("metric", METRICS)
def test_contributions_have_the_metric_as_their_mean_and_its_error_as_their_spread(metric: str, classes: int) -> None:
    predicted, labels = drawn(classes, 2000)
    found = contributions(metric, predicted, labels, classes)
    assert found.shape == (2000,)
    assert found.mean() == pytest.approx(value(metric, predicted, labels, classes), abs=1e-12)
    dice = np.random.default_rng(1)
    again = []
    for _ in range(400):
        chosen = dice.integers(2000, size=2000)
        again.append(SKLEARN[metric](labels[chosen], predicted[chosen]))
    assert found.std() / math.sqrt(2000) == pytest.approx(np.std(again), rel=0.15)


def test_the_contributions_of_balanced_accuracy_have_the_variance_of_independent_recalls() -> None:
    predicted, labels = drawn(4, 500)
    recalls = [(predicted[labels == one] == one).mean() for one in range(4)]
    counts = np.bincount(labels)
    expected = sum(share * (1 - share) / count for share, count in zip(recalls, counts, strict=True)) / 16
    assert contributions("balanced_accuracy", predicted, labels, 4).var() / 500 == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["balanced_accuracy", "macro_f1"])
def test_smoothing_is_what_more_images_change(metric: str) -> None:
    """With as many classes as images are added of a sort, that is one right and one wrong image of each class."""
    classes = round(ADDED)
    predicted, labels = drawn(classes, 50)
    more = np.concatenate([predicted, [0, 1, 1, 0]]), np.concatenate([labels, [0, 1, 0, 1]])
    plain, added = (contributions(metric, *one, classes) for one in ((predicted, labels), more))
    found = smoothing(metric, predicted, labels, classes)
    assert found.shift == pytest.approx(added.mean() - plain.mean())
    assert found.variance == pytest.approx(added.var() / 54 - plain.var() / 50)


def test_a_perfect_network_has_an_error_after_smoothing() -> None:
    labels = np.arange(40) % 4
    found = smoothing("balanced_accuracy", labels, labels, 4)
    assert found.shift < 0 < found.variance
    assert smoothing("accuracy", labels, labels, 4) == (0, 0)


def test_an_image_of_the_rarest_class_is_worth_most() -> None:
    assert worth_of_an_image("balanced_accuracy", np.array([90, 10])) == 5
    assert worth_of_an_image("accuracy", np.array([90, 10])) == 1


def test_blind_guesses_are_at_chance_level() -> None:
    dice, counts = np.random.default_rng(0), np.array([200, 50, 20])
    labels = np.repeat(np.arange(3), counts)
    level = chance(counts, 1.645)
    above = [value("balanced_accuracy", dice.integers(3, size=270), labels, 3) > level for _ in range(1000)]
    assert 0.02 < np.mean(above) < 0.08
    assert value("macro_f1", np.zeros(270, int), labels, 3) < level


def test_a_class_without_an_image_leaves_a_mean_over_classes_undefined() -> None:
    counts = {"valid": {"a": 3, "b": 0}, "test": {"a": 1, "b": 1}}
    assert not undefined("accuracy", counts, ("a", "b"))
    problem = undefined("macro_f1", counts, ("a", "b"))
    assert "metric is macro_f1" in problem
    assert "no validation image of b" in problem
    assert "\n" not in problem
    counts["valid"]["b"] = 2
    assert not undefined("macro_f1", counts, ("a", "b"))
    del counts["test"]["a"]
    assert "no test image of a" in undefined("balanced_accuracy", counts, ("a", "b"))


def test_records_without_a_metric_are_judged_by_accuracy() -> None:
    old, new = {"test_accuracy": 0.9}, {"test_accuracy": 0.9, "metric": "macro_f1", "test_metric": 0.5}
    assert [figure_of(old, "test"), figure_of(new, "test")] == [0.9, 0.5]
    assert metric_of([{"metric": None}, new]) == "macro_f1"
    assert metric_of([old]) == "accuracy"
