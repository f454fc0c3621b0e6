"""Calibration of a classifier's probabilities: expected calibration error, and temperature. Imports no torch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

BINS = 15
#: temperatures that are tried, from the sharpest to the flattest
COLDEST, HOTTEST = 0.05, 20.0
Floats = NDArray[np.floating[Any]]


def calibration_error(confidence: Floats, right: NDArray[Any], bins: int = BINS) -> float:
    """Return the expected calibration error: the mean gap between confidence and accuracy, weighted by images.

    `confidence` is the probability of the predicted class, `right` whether it is true, both (images,). The bins have
    equal mass: images, sorted by confidence, are cut into `bins` groups of one size, one image more or less. (Guo et
    al. 2017 use bins of equal width, most of which are empty for a confident network.) NaN without an image.
    """
    if not len(confidence):
        return float("nan")
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    gaps = [len(part) * abs(float(confidence[part].mean(dtype=float)) - float(right[part].mean())) for part in parts]
    return sum(gaps) / len(confidence)


def temperature(logits: Floats, labels: NDArray[Any]) -> float:
    """Return the temperature that minimises the cross-entropy of logits / temperature (Guo et al. 2017, section 4.2).

    `logits` (images, classes), `labels` (images,). It changes no predicted class. Without an image it is 1.
    """
    if not len(labels):
        return 1.0

    def loss(logarithm: float) -> float:
        return cross_entropy(logits, labels, float(np.exp(logarithm)))

    bounds = (np.log(COLDEST), np.log(HOTTEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0


def cross_entropy(logits: Floats, labels: NDArray[Any], temperature: float = 1.0) -> float:
    """Return the mean cross-entropy of logits (images, classes) divided by the temperature."""
    logs = log_softmax(np.asarray(logits, dtype=float) / temperature, axis=1)
    return -float(logs[np.arange(len(labels)), labels].mean())


def confidences(logits: Floats, temperature: float = 1.0) -> Floats:
    """Return the probability of each image's likeliest class (images,)."""
    logs: Floats = log_softmax(np.asarray(logits, dtype=float) / temperature, axis=1)
    return np.exp(logs.max(axis=1))
