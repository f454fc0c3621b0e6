"""Check on real test images that the ONNX file computes what torch computes."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NotImplementedByRuntime

from nas_steps.calibration import calibration_error, confidences, temperature
from nas_steps.data.store import Split
from nas_steps.export.convert import INPUT, Deployed, UnsupportedError

BATCH = 64
#: images that are run one by one as well
SINGLE = 8


def open_session(path: str | Path) -> onnxruntime.InferenceSession:
    """Open a file in onnxruntime, on one CPU thread. Raises UnsupportedError if onnxruntime lacks an operator of it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except NotImplementedByRuntime as error:
        # onnxruntime's own words without its codes
        reason = str(error).rpartition(" : ")[2]
        raise UnsupportedError(f"onnxruntime {onnxruntime.__version__} cannot run it: {reason}") from error


def some_of(split: Split, limit: int | None) -> Split:
    """Take `limit` images of a split, spread over all of it since it may be sorted by class; None takes all."""
    if limit is None or limit >= len(split):
        return split
    chosen = np.linspace(0, len(split) - 1, limit).round().astype(int)
    return Split(split.images[chosen], split.labels[chosen])


def batches(images: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield images (N, ...) in batches of `size`, the last of which may be smaller."""
    for start in range(0, len(images), size):
        yield np.array(images[start : start + size])  # a copy: stored images are read-only, which torch warns of


def classes_of(session: onnxruntime.InferenceSession, images: np.ndarray) -> np.ndarray:
    """Return the top-1 class (N,) of images (N, channels, side, side) uint8."""
    return np.concatenate([session.run(None, {INPUT: batch})[0].argmax(1) for batch in batches(images, BATCH)])


def fitted_temperature(deployed: Deployed, valid: Split) -> float:
    """Fit the temperature to torch's logits of validation images."""
    with torch.no_grad():
        found = [deployed(torch.from_numpy(batch)).numpy() for batch in batches(valid.images, BATCH)]
    return temperature(np.concatenate(found), valid.labels)


def compare(
    path: str | Path, deployed: Deployed, images: np.ndarray, labels: np.ndarray, heat: float = 1.0
) -> dict[str, Any]:
    """Compare torch and onnxruntime on `images` (N, channels, side, side) uint8, in batches and singly.

    The expected calibration errors are onnxruntime's, plain and with its logits divided by the temperature `heat`."""
    session = open_session(path)
    largest, same, right = 0.0, 0, 0
    answers: list[np.ndarray] = []
    for number, batch in enumerate(batches(images, BATCH)):
        (theirs,) = session.run(None, {INPUT: batch})
        with torch.no_grad():
            ours = deployed(torch.from_numpy(batch)).numpy()
        largest = max(largest, difference(ours, theirs))
        if number == 0:
            for single, logits in zip(batches(batch[:SINGLE], 1), ours, strict=False):
                largest = max(largest, difference(logits[None], session.run(None, {INPUT: single})[0]))
        same += int((ours.argmax(1) == theirs.argmax(1)).sum())
        right += int((theirs.argmax(1) == labels[number * BATCH : (number + 1) * BATCH]).sum())
        answers.append(theirs)
    whole = np.concatenate(answers)
    hits = whole.argmax(1) == labels
    return {
        "images": len(images),
        "single_images": min(SINGLE, len(images)),
        "largest_difference": largest,
        "top1_agreement": same / len(images),
        "onnx_accuracy": right / len(images),
        "temperature": heat,
        "calibration_error": calibration_error(confidences(whole), hits),
        "calibrated_error": calibration_error(confidences(whole, heat), hits),
        # of each class: the images that are named right, or None if there is none of it
        "recall": [
            float(hits[labels == number].mean()) if (labels == number).any() else None
            for number in range(whole.shape[1])
        ],
    }


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the largest difference of two arrays of one shape; infinite if either holds NaN or an infinity."""
    largest = float(np.abs(ours - theirs).max())
    return largest if math.isfinite(largest) else math.inf
