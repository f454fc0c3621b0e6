"""Does the ONNX file compute what torch computes? Asked on real test images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from nas_steps.export.convert import INPUT, Deployed

BATCH = 64


def compare(path: str | Path, deployed: Deployed, images: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Run torch and onnxruntime on `images` (N, channels, side, side) uint8, in batches, the last of which is smaller.

    Returns the largest difference of a logit, the share of images with the same top-1 class, and the ONNX file's own
    accuracy on these images.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    largest, same, right = 0.0, 0, 0
    for start in range(0, len(images), BATCH):
        batch = np.ascontiguousarray(images[start : start + BATCH])
        (theirs,) = session.run(None, {INPUT: batch})
        with torch.no_grad():
            ours = deployed(torch.from_numpy(batch)).numpy()
        largest = max(largest, float(np.abs(ours - theirs).max()))
        same += int((ours.argmax(1) == theirs.argmax(1)).sum())
        right += int((theirs.argmax(1) == labels[start : start + BATCH]).sum())
    return {
        "images": len(images),
        "largest_difference": largest,
        "top1_agreement": same / len(images),
        "onnx_accuracy": right / len(images),
    }
