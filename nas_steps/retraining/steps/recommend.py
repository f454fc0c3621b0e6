"""Recommend a network by validation figures, and list what is exported."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from scipy import stats

from nas_steps.data.store import load_split, read_meta
from nas_steps.data.text.store import chance_level as text_chance_level
from nas_steps.data.text.store import is_text, read_text_meta
from nas_steps.metrics import ACCURACY, chance, contributions, metric_of, worth_of_an_image
from nas_steps.provenance.files import number, read_csv, read_json, write_json
from nas_steps.provenance.task import Task
from nas_steps.retraining.predictions import text_contributions
from nas_steps.retraining.recommend import BY_RANKING, BY_VALID, candidates, choose, recommendation
from nas_steps.retraining.settings import RecommendSettings
from nas_steps.retraining.summary import Metrics, by_entry, mean_of, sound


def main(task: Task) -> None:
    """Write recommended.json."""
    settings = task.read_settings(RecommendSettings)
    trainings = [read_json(path) for path in task.trainings]
    merged = any(metrics["train_on"] == "train+valid" for metrics in trainings)
    metric, image_df = metric_of(trainings), math.inf
    scores = {row["entry"]: number(row["score"]) for row in (read_csv(task.winners) if merged else ())}
    if is_text(task.data):
        correct = {} if merged else validated_texts(trainings, task.predictions)
        least, worth = text_chance_level(read_text_meta(task.data), "valid"), 1.0
        image_df = min((len(one) - 1.0 for one in correct.values()), default=math.inf)
    else:
        labels, classes = load_split(task.data, "valid").labels, read_meta(task.data).classes
        correct = {} if merged else validated(trainings, task.predictions, labels, metric, len(classes))
        counts = np.bincount(labels, minlength=len(classes))
        least, worth = chance_level(counts, metric), worth_of_an_image(metric, counts)
    given = candidates(trainings, correct, scores, least, worth, image_df)
    choice = choose(given, BY_RANKING if merged else BY_VALID, settings.tolerance)
    # from here on nothing is chosen
    of_entry = by_entry(trainings)
    tests = {
        row["entry"]: {"test_metric": number(row["test_mean"])}
        | {"test_accuracy": mean_of(sound(of_entry.get(row["entry"], [])), "test_accuracy")}
        | {key: number(row[key]) for key in ("test_low", "test_high")}
        for row in read_csv(task.summary)
    }
    if metric == ACCURACY:
        tests = {entry: test | {"test_accuracy": test["test_metric"]} for entry, test in tests.items()}
    write_json(task.output("recommended"), recommendation(given, choice, tests, metric))


def chance_level(counts: np.ndarray, metric: str = ACCURACY) -> float:
    """Return the figure that blind guesses exceed by luck in 5 % of the cases, given images by class (classes,).

    Of accuracy the guess is the most frequent class."""
    if metric != ACCURACY:
        return chance(counts, float(stats.norm.ppf(0.95)))
    images = int(counts.sum())
    return float(stats.binom.ppf(0.95, images, counts.max() / images)) / images


def validated(
    trainings: Sequence[Metrics],
    predictions: Sequence[str | Path],
    labels: np.ndarray,
    metric: str = ACCURACY,
    classes: int = 0,
) -> dict[tuple[str, int], np.ndarray]:
    """Return what each validation image contributes to the metric of each sound training (images,), by entry and seed.

    For accuracy that is 1 if the training gets it right.

    `predictions` are the files beside the records `trainings`, in their order; `labels` has the shape (images,).
    """
    files = {(metrics["entry"], metrics["seed"]): path for metrics, path in zip(trainings, predictions, strict=True)}
    known = [(metrics["entry"], metrics["seed"]) for metrics in sound(trainings)]
    return {key: contributions(metric, load_file(files[key])["valid"], labels, classes) for key in known}


def validated_texts(
    trainings: Sequence[Metrics], predictions: Sequence[str | Path]
) -> dict[tuple[str, int], np.ndarray]:
    """Return what each unit of the validation text contributes to minus the bits per byte, as `validated` does."""
    files = {(metrics["entry"], metrics["seed"]): path for metrics, path in zip(trainings, predictions, strict=True)}
    found = {}
    for metrics in sound(trainings):
        key = metrics["entry"], metrics["seed"]
        if (correct := text_contributions(files[key], "valid")) is not None:
            found[key] = correct
    return found
