"""Metrics of classifications: accuracy, balanced accuracy and macro-averaged F1; bits per byte. Imports no torch.

- balanced accuracy: the mean over classes of their recall (Brodersen et al. 2010)
- macro-F1: the mean over classes of the harmonic mean of their recall and precision

Both are means over classes, so that a rare class counts like a frequent one. Each image has a contribution: the mean of
the contributions is the metric, and their variance over the number of images is the metric's sampling variance (the
delta method; for macro-F1 see Takahashi et al. 2022). For accuracy the contribution is 1 if the image is right.

Bits per byte judge language models; their contributions are by document or block of text. The lower the better, so that
files have minus the bits per byte (`neg_bits_per_byte`): the larger is the better in all of them.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from nas_steps.facts import ACCURACY, NEG_BITS_PER_BYTE, Metric

#: those of classifications
METRICS: tuple[str, ...] = tuple(one for one in get_args(Metric) if one != NEG_BITS_PER_BYTE)
WORDS: dict[str, str] = {
    ACCURACY: "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    NEG_BITS_PER_BYTE: "bits per byte",
}
#: images of each sort, right and wrong, that the interval of a single figure adds (Agresti & Coull 1998)
ADDED = 2.0

Floats = NDArray[np.float64]
Labels = NDArray[Any]


class Smoothing(NamedTuple):
    """What the interval of a single figure adds to the plain one: to its centre, and to its variance over images."""

    shift: float = 0.0
    variance: float = 0.0


#: the interval of minus the bits per byte adds nothing
OF_BITS = Smoothing()


def value(metric: str, predicted: Labels, labels: Labels, classes: int) -> float:
    """Return the metric of classifications, `predicted` and `labels` being class numbers of shape (images,)."""
    return float(from_counts(metric, *_counted(predicted, labels, classes)))


def from_counts(metric: str, right: Any, predicted: Any, actual: Any) -> Any:
    """Return the metric from counts by class, shape (..., classes): of right images, of predictions, of labels.

    Classes without an image are left out: of a batch of images some may be missing. NaN without any image.
    """
    right, predicted, actual = (np.asarray(counts, dtype=float) for counts in (right, predicted, actual))
    there = actual > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        if metric == ACCURACY:
            return right.sum(axis=-1) / actual.sum(axis=-1)
        by_class = right / actual if metric == "balanced_accuracy" else 2 * right / (actual + predicted)
        return np.where(there, by_class, 0.0).sum(axis=-1) / there.sum(axis=-1)


def contributions(
    metric: str, predicted: Labels, labels: Labels, classes: int, weights: Floats | None = None
) -> Floats:
    """Return what each image contributes to the metric, float64 (images,); every class must have an image.

    Their mean, weighted by `weights` (images,), is the metric. Their variance over the number of images is its variance
    over other images of the same classes: in the same numbers, or, for balanced accuracy too, in random ones, since
    its first-order variance is the same then. That of macro-F1 is over random numbers.
    """
    right = predicted == labels
    if metric == ACCURACY:
        return right.astype(float)
    weights = np.ones(len(labels)) if weights is None else weights
    hits, named, actual = _counted(predicted, labels, classes, weights)
    if metric == "balanced_accuracy":
        recall, worth = hits / actual, weights.sum() / (classes * actual)
        return recall.mean() + worth[labels] * (right - recall[labels])
    f1, worth = 2 * hits / (actual + named), weights.sum() / (classes * (actual + named))
    return f1.mean() + 2 * worth[labels] * right - (f1 * worth)[labels] - (f1 * worth)[predicted]


def smoothing(metric: str, predicted: Labels, labels: Labels, classes: int) -> Smoothing:
    """Return what two right and two wrong images, spread evenly over the classes, change of the plain interval.

    Price & Bonett (2004) extend Agresti & Coull's (1998) interval so to means of proportions. The plain one covers too
    little if a class has few images, or none that is wrong. Of accuracy alone `comparison.accuracy` does the same.
    """
    if metric == ACCURACY:
        return Smoothing()
    every = np.arange(classes)
    weights = np.concatenate([np.ones(len(labels)), np.full(2 * classes, ADDED / classes)])
    more = np.concatenate([predicted, every, (every + 1) % classes]), np.concatenate([labels, every, every])
    plain = contributions(metric, predicted, labels, classes)
    added = contributions(metric, *more, classes, weights)
    centre, images = float(np.average(added, weights=weights)), weights.sum()
    variance = float(np.average((added - centre) ** 2, weights=weights)) / images
    return Smoothing(centre - float(plain.mean()), variance - float(plain.var()) / len(labels))


def bits_per_byte(nats: Floats, sizes: Labels) -> float:
    """Return the bits per byte of units of text, such as documents: their nats and bytes, both (units,)."""
    return float(np.sum(nats) / np.sum(sizes) / math.log(2))


def bits_contributions(nats: Floats, sizes: Labels) -> Floats:
    """Return what each unit of text contributes to the bits per byte, float64 (units,).

    Their mean is the metric. Their variance over the number of units is its variance over other units of the same kind,
    of random sizes (the delta method for a ratio). So `intervals.mean_interval` of them is its interval, and that of
    the differences between two networks' contributions is the interval of the difference.
    """
    metric, sizes = bits_per_byte(nats, sizes), np.asarray(sizes, np.float64)
    return metric + (np.asarray(nats) / math.log(2) - metric * sizes) / sizes.mean()


def in_blocks(values: Labels, length: int) -> Labels:
    """Return the sums of `length` neighbouring values (windows,): units of text if there are few documents.

    The values left over at the end join the last block. Windows of one document are alike, so a block should be long.
    Raises ValueError if there are fewer values.
    """
    if not 1 <= length <= len(values):
        raise ValueError(f"{len(values)} values have no block of {length}")
    return np.add.reduceat(values, np.arange(len(values) // length) * length)


def worth_of_an_image(metric: str, counts: Labels) -> float:
    """Return the most that one image changes the metric, in images: the rarest class's, given images by class."""
    return 1.0 if metric == ACCURACY else float(counts.sum() / (len(counts) * counts.min()))


def chance(counts: Labels, deviations: float) -> float:
    """Return the balanced accuracy or macro-F1 of guesses, plus some standard deviations, given images by class.

    Guesses that do not look at the image have a mean recall of 1 / classes; their macro-F1 is not higher.
    """
    classes = len(counts)
    variance = (1 / classes) * (1 - 1 / classes) * float((1 / counts).sum()) / classes**2
    return 1 / classes + deviations * float(np.sqrt(variance))


def undefined(metric: str, counts: Mapping[str, Mapping[str, int]], classes: tuple[str, ...]) -> str:
    """Say why the metric is undefined, given images by split and class; empty if it is defined."""
    if metric in (ACCURACY, NEG_BITS_PER_BYTE):
        return ""
    for split, words in (("valid", "validation"), ("test", "test")):
        if missing := [name for name in classes if not counts[split].get(name, 0)]:
            return (
                f"metric is {metric}, a mean over all classes, but there is no {words} image of "
                f"{', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}: add images of it or raise "
                f"data.{split} or data.max_{split}, or set metric: accuracy"
            )
    return ""


def figure_of(record: Mapping[str, Any], split: str) -> Any:
    """Return a training's figure by its experiment's metric on `split`, valid or test.

    That is the accuracy in records without a metric, such as lookups in a table.
    """
    key = f"{split}_metric"
    return record[key] if record.get("metric") else record[f"{split}_accuracy"]


def metric_of(records: Any) -> str:
    """Return the metric of an experiment's records, which all have the same."""
    return next((record["metric"] for record in records if record.get("metric")), ACCURACY)


def _counted(
    predicted: Labels, labels: Labels, classes: int, weights: Floats | None = None
) -> tuple[Floats, Floats, Floats]:
    """Count by class: right images, predictions and labels, float64 (classes,) each."""
    right = predicted == labels
    own = None if weights is None else weights[right]
    hits, named, actual = (
        np.bincount(numbers, some, minlength=classes).astype(float)
        for numbers, some in ((labels[right], own), (predicted, weights), (labels, weights))
    )
    return hits, named, actual
