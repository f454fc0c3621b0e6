"""How often the 95 % intervals of balanced accuracy and macro-F1 hold the truth, by simulation.

    python -m benchmarks.metric_coverage [--repeats 1000] [--trainings 1 2]

Test sets of 200 and 1,000 images in 2, 4 or 10 classes, equally frequent or falling to a tenth of the first class;
labels in fixed shares (as the project splits) or drawn at random. Two networks, trained once or twice: the recalls of
the first are 75 or 95 % in the mean and differ between classes, those of the second are higher in every other class and
lower in the rest. 70 % of the images are as hard for one training as for the other. Trainings of a network have the
same recalls, so that the truth is known: the figure on infinitely many images of the same shares. The project's own
`summarise` and `compare` make the intervals. `plain`: the delta method without added images. A printed figure of 1,000
repeats has a standard error of 0.7 %.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from itertools import product
from typing import Any

import numpy as np

from nas_steps.metrics import contributions, from_counts, smoothing, worth_of_an_image
from nas_steps.retraining.summary import compare, summarise
from nas_steps.training.record import Entry, record

METRICS = ("balanced_accuracy", "macro_f1")
SIZES, CLASSES, IMBALANCE, RECALL = (200, 1000), (2, 4, 10), (1, 10), (0.75, 0.95)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repeats", type=int, default=1000)
    options.add_argument("--trainings", type=int, nargs="+", default=[1, 2], help="of each network")
    given = options.parse_args()
    repeats = given.repeats
    dice = np.random.default_rng(0)
    ranges: dict[tuple[str, str], list[float]] = defaultdict(list)
    for metric, labels in product(METRICS, ("fixed", "random")):
        print(f"{metric}, {labels} shares: coverage in %")
        for images, classes, imbalance, recall, seeds in product(SIZES, CLASSES, IMBALANCE, RECALL, given.trainings):
            found = coverage(metric, labels == "random", images, classes, imbalance, recall, seeds, repeats, dice)
            case = f"{images} images, {classes} classes 1:{imbalance}, recall {recall:g}, {seeds} trainings"
            print(f"  {case:<56}", "  ".join(f"{name} {100 * share:.1f}" for name, share in found.items()), flush=True)
            for name, share in found.items():
                ranges[metric, name].append(100 * share)
    print("least and largest of all cases")
    for (metric, name), shares in ranges.items():
        print(f"  {metric}, {name}: {min(shares):.1f} to {max(shares):.1f}")


def networks(classes: int, recall: float) -> tuple[np.ndarray, np.ndarray]:
    """The recalls of the first network and of the second (classes,)."""
    miss = 1 - recall
    first = np.clip(recall + np.linspace(1, -1, classes) * min(0.08, 0.8 * miss), 0.05, 0.995)
    return first, np.clip(first + np.where(np.arange(classes) % 2, 0.12, -0.12) * miss, 0.02, 0.998)


def coverage(
    metric: str,
    random: bool,
    images: int,
    classes: int,
    imbalance: int,
    recall: float,
    seeds: int,
    repeats: int,
    dice: np.random.Generator,
) -> dict[str, float]:
    """The share of test sets whose interval holds the truth: of a figure, as it is and plain, and of a difference."""
    shares = np.geomspace(1, 1 / imbalance, classes)
    shares /= shares.sum()
    fixed = np.repeat(np.arange(classes), np.maximum(1, np.round(shares * images)).astype(int))
    recalls = networks(classes, recall)
    truth = [true_value(metric, np.bincount(fixed) / len(fixed) if not random else shares, one) for one in recalls]
    held: dict[str, list[bool]] = defaultdict(list)
    while len(held["figure"]) < repeats:
        labels = dice.choice(classes, images, p=shares) if random else fixed
        counts = np.bincount(labels, minlength=classes)
        if counts.min() == 0:
            continue
        common, trainings = dice.random(len(labels)), []
        for number, one in enumerate(recalls):
            for seed in range(seeds):
                luck = np.where(dice.random(len(labels)) < 0.7, common, dice.random(len(labels)))
                predicted = np.where(luck < one[labels], labels, mistaken(labels, shares, dice))
                trainings.append(training(metric, number, seed, predicted, labels, counts))
        row = summarise(trainings)[0]
        held["figure"].append(row["test_low"] <= truth[0] <= row["test_high"])
        if seeds == 1:
            plain = trainings[0]["correct"]
            held["plain"].append(abs(plain.mean() - truth[0]) <= 1.96 * plain.std() / math.sqrt(len(labels)))
        (difference,) = compare(trainings)
        held["difference"].append(difference["low"] <= truth[0] - truth[1] <= difference["high"])
    return {name: float(np.mean(several)) for name, several in held.items()}


def true_value(metric: str, shares: np.ndarray, recalls: np.ndarray) -> float:
    """The metric of infinitely many images; a mistaken image is named by the shares of the other classes."""
    others = shares[None] * (1 - np.eye(len(shares)))
    confusion = others / others.sum(1, keepdims=True) * ((1 - recalls) * shares)[:, None] + np.diag(recalls * shares)
    return float(from_counts(metric, recalls * shares, confusion.sum(0), shares))


def mistaken(labels: np.ndarray, shares: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    """A wrong class for each image, drawn by the shares of the others."""
    others = shares[None] * (1 - np.eye(len(shares)))
    steps = np.cumsum(others / others.sum(1, keepdims=True), axis=1)
    return (steps[labels] < dice.random(len(labels))[:, None]).sum(1).clip(max=len(shares) - 1)


def training(
    metric: str, network: int, seed: int, predicted: np.ndarray, labels: np.ndarray, counts: np.ndarray
) -> dict[str, Any]:
    """A record as `read_trainings` makes it."""
    classes = len(counts)
    correct = contributions(metric, predicted, labels, classes)
    known = {"status": "ok", "metric": metric, "test_metric": float(correct.mean()), "test_images": len(labels)}
    known |= {"test_accuracy": float((predicted == labels).mean()), "correct": correct, "chance_level": 1 / classes}
    known |= {"smoothing": smoothing(metric, predicted, labels, classes)}
    known |= {"image_worth": worth_of_an_image(metric, counts), "train_seconds": 1.0}
    kind = ("searched", "uniform")[network]
    return record(Entry(f"{kind}-0", kind, str(network)), seed) | known


if __name__ == "__main__":
    main()
