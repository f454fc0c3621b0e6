"""Classify images with an exported model: `python -m nas_steps.predict MODEL IMAGES...`.

MODEL is an ONNX file, float32 or INT8, or an experiment's folder, whose recommended network is taken. Needs Pillow,
NumPy and onnxruntime alone: no torch, no training data.
"""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from nas_steps.data.layout import printable
from nas_steps.data.photos import DEPTHS, TooLargeError, UnreadableError, decode
from nas_steps.errors import UserError
from nas_steps.provenance.files import read_json
from nas_steps.provenance.regular import FOLDER, MISSING, irregular
from nas_steps.provenance.task import parser, run

MODULE = "nas_steps.predict"
#: a larger image is not decoded
MAX_PIXELS = 200_000_000
COLUMNS = ("image", "rank", "class", "probability")


def main(arguments: Sequence[str]) -> None:
    """Print a line or an error for each image. Raises UserError at the end if there was an error."""
    options = parser(MODULE, __doc__ or "")
    options.add_argument("model", help="an ONNX file of the export stage, or the folder of an experiment")
    options.add_argument("images", nargs="+", help="image files")
    options.add_argument("--top", type=_positive, default=3, help="how many classes to tell, the likeliest first")
    options.add_argument("--csv", metavar="FILE", help="also write them there: image, rank, class, probability")
    given = options.parse_args(arguments)
    classes, session = load(recommended(given.model))
    rows: list[tuple[str, int, str, float]] = []
    failed = 0
    for path in given.images:
        try:
            probabilities = predict(session, path)
        except UserError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        name = printable(path)
        best = np.argsort(-probabilities, kind="stable")[: given.top]
        print(f"{name}: " + ", ".join(f"{classes[index]} {100 * probabilities[index]:.1f} %" for index in best))
        rows += [(name, rank, classes[one], float(probabilities[one])) for rank, one in enumerate(best, start=1)]
    if given.csv:
        with Path(given.csv).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    if failed:
        raise UserError(f"{failed} of {len(given.images)} images could not be classified; they are named above")


def recommended(path: str | Path) -> Path:
    """Return the recommended network's file if `path` is the folder of an experiment, else `path`.

    Raises UserError if the experiment recommends none.
    """
    record = Path(path) / "recommended.json"
    if irregular(record) is not None:
        return Path(path)
    choice = read_json(record)
    if choice["entry"] is None:
        raise UserError(f"{record} recommends no network: {choice['reason']}; name an ONNX file instead")
    return Path(path) / choice["file"]


def load(path: str | Path) -> tuple[list[str], onnxruntime.InferenceSession]:
    """Return the class names and a session of an exported model. Raises UserError for any other file."""
    reason = irregular(path)
    if reason == FOLDER:
        raise UserError(
            f"{path} is a folder without recommended.json; name the folder of an experiment that has ended, such as "
            f"results/digits, or an ONNX file, such as {Path(path) / 'model.onnx'}"
        )
    if reason is not None:
        raise UserError(f"there is no model {path}" if reason == MISSING else f"the model {path} {reason}")
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 (onnxruntime's exceptions have no common class of their own)
        raise UserError(f"{path} cannot be loaded as an ONNX model: {error}") from None
    properties = session.get_modelmeta().custom_metadata_map
    if "classes" not in properties:
        raise UserError(f"{path} holds no class names; it was not exported by nas-steps")
    classes: Any = None
    with suppress(json.JSONDecodeError):
        classes = json.loads(properties["classes"])
    entry, logits = session.get_inputs()[0], session.get_outputs()[0]
    sizes = entry.shape[1:]
    takes_pixels = entry.type == "tensor(uint8)" and len(sizes) == 3 and sizes[0] in (1, 3) and sizes[1] == sizes[2]
    named = isinstance(classes, list) and logits.shape[1:] == [len(classes)]
    if not takes_pixels or not named:
        raise UserError(
            f"{path} does not take square uint8 images (batch, 1 or 3, side, side), or does not tell apart as many "
            "classes as it names; it was not exported by nas-steps"
        )
    return [str(name) for name in classes], session


def predict(session: onnxruntime.InferenceSession, path: str | Path) -> np.ndarray:
    """Return the probabilities (classes,) of one image file. Raises UserError if it cannot be read."""
    entry = session.get_inputs()[0]
    _, channels, side, _ = entry.shape
    reason = irregular(path)
    if reason == FOLDER:
        raise UserError(f"{path} is a folder; name the images in it, such as {Path(path) / '*.jpg'}")
    if reason is not None:
        raise UserError(f"there is no image {path}" if reason == MISSING else f"{path} {reason}")
    # how many bits of 16 the training photos used, if they had 16 a value
    recorded = session.get_modelmeta().custom_metadata_map
    bits = next((bits for bits in DEPTHS if recorded.get("bits") == str(bits)), 16)
    crop, fit = float(recorded.get("crop", 1.0)), recorded.get("fit", "crop")
    try:
        with Path(path).open("rb") as stream:
            # the very code that read the training images
            pixels = decode(stream, side, channels, MAX_PIXELS, bits, crop=crop, fit=fit).pixels
    except TooLargeError as error:
        raise UserError(
            f"{path} has {error.width} x {error.height} pixels, more than are decoded ({MAX_PIXELS:,}); shrink it"
        ) from None
    except (UnreadableError, OSError) as error:
        raise UserError(f"{path} cannot be read as an image: {error}") from None
    (logits,) = session.run(None, {entry.name: np.ascontiguousarray(pixels[None])})
    powers = np.exp(logits[0] - logits[0].max())
    return powers / powers.sum()


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of classes; give 1 or more")
    return int(text)


if __name__ == "__main__":
    run(main, MODULE)
