"""Recommend a network by validation figures, and list what is exported."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from scipy import stats

from nas_steps.data.store import load_split
from nas_steps.provenance.files import number, read_csv, read_json, write_json
from nas_steps.provenance.task import Task
from nas_steps.retraining.recommend import BY_RANKING, BY_VALID, candidates, choose, recommendation
from nas_steps.retraining.summary import Metrics, sound


def main(task: Task) -> None:
    """Write recommended.json."""
    trainings = [read_json(path) for path in task.trainings]
    merged = any(metrics["train_on"] == "train+valid" for metrics in trainings)
    labels = load_split(task.data, "valid").labels
    correct = {} if merged else validated(trainings, task.predictions, labels)
    scores = {row["entry"]: number(row["score"]) for row in (read_csv(task.winners) if merged else ())}
    given = candidates(trainings, correct, scores, chance_level(labels))
    choice = choose(given, BY_RANKING if merged else BY_VALID)
    # from here on nothing is chosen
    tests = {
        row["entry"]: {"test_accuracy": number(row["test_mean"])}
        | {key: number(row[key]) for key in ("test_low", "test_high")}
        for row in read_csv(task.summary)
    }
    write_json(task.output("recommended"), recommendation(given, choice, tests))


def chance_level(labels: np.ndarray) -> float:
    """Return the accuracy that naming the most frequent class exceeds by luck in 5 % of the cases.

    `labels` has the shape (images,)."""
    share = np.bincount(labels).max() / len(labels)
    return float(stats.binom.ppf(0.95, len(labels), share)) / len(labels)


def validated(
    trainings: Sequence[Metrics], predictions: Sequence[str | Path], labels: np.ndarray
) -> dict[tuple[str, int], np.ndarray]:
    """Return which validation images each sound training gets right (images,), by entry and seed.

    `predictions` are the files beside the records `trainings`, in their order; `labels` has the shape (images,).
    """
    files = {(metrics["entry"], metrics["seed"]): path for metrics, path in zip(trainings, predictions, strict=True)}
    known = [(metrics["entry"], metrics["seed"]) for metrics in sound(trainings)]
    return {key: load_file(files[key])["valid"] == labels for key in known}
