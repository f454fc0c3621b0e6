"""Classify images with an exported model: `python -m nas_steps.predict MODEL.onnx IMAGES...`.

Needs Pillow, NumPy and onnxruntime alone: no torch, no training data.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from nas_steps.data.photos import UnreadableError, read_photo
from nas_steps.errors import UserError
from nas_steps.provenance.steps import parser, run

MODULE = "nas_steps.predict"
#: a larger picture is not decoded
MAX_PIXELS = 200_000_000


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("model", help="an ONNX file of the export stage")
    options.add_argument("images", nargs="+", help="image files")
    options.add_argument("--top", type=int, default=3, help="how many classes to print")
    given = options.parse_args(arguments)
    classes, session = load(given.model)
    for path in given.images:
        probabilities = predict(session, path)
        order = np.argsort(-probabilities, kind="stable")[: given.top]
        print(f"{path}: " + ", ".join(f"{classes[index]} {100 * probabilities[index]:.1f} %" for index in order))


def load(path: str | Path) -> tuple[list[str], onnxruntime.InferenceSession]:
    """The class names and a session of an exported model. Raises UserError where it is none."""
    if not Path(path).is_file():
        raise UserError(f"there is no model {path}")
    if not Path(path).stat().st_size:
        raise UserError(f"{path} is empty: its training gave no model; check.json beside it says why")
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 (onnxruntime's exceptions have no common class of their own)
        raise UserError(f"{path} cannot be loaded as an ONNX model: {error}") from None
    properties = session.get_modelmeta().custom_metadata_map
    if "classes" not in properties:
        raise UserError(f"{path} holds no class names; it was not exported by nas-steps")
    return json.loads(properties["classes"]), session


def predict(session: onnxruntime.InferenceSession, path: str | Path) -> np.ndarray:
    """Probabilities (classes,) of one image file. Raises UserError where it cannot be read."""
    entry = session.get_inputs()[0]
    _, channels, side, _ = entry.shape
    try:
        with Path(path).open("rb") as stream:
            # the very code that read the training images
            pixels, _ = read_photo(stream, side, channels, MAX_PIXELS)
    except FileNotFoundError:
        raise UserError(f"there is no image {path}") from None
    except (UnreadableError, OSError) as error:
        raise UserError(f"{path} cannot be read as an image: {error}") from None
    (logits,) = session.run(None, {entry.name: np.ascontiguousarray(pixels[None])})
    powers = np.exp(logits[0] - logits[0].max())
    return powers / powers.sum()


if __name__ == "__main__":
    run(main, MODULE)
