"""Small pictures of test images inside the page."""

import io
from base64 import b64encode
from dataclasses import dataclass

import numpy as np
from PIL import Image

from nas_steps.report import numbers
from nas_steps.report.predictions import Tested

#: longest side of a thumbnail, and its colours if it is no grey image: a few kB each
SIDE, COLOURS = 80, 64


@dataclass(frozen=True)
class Thumbnail:
    """A picture as the address of an inline PNG, the words for it, and what the page prints below it."""

    address: str
    words: str
    true: str
    predicted: str
    confidence: str
    small: bool


def mistakes(tested: Tested | None, most: int) -> list[Thumbnail]:
    """Make pictures of the most confident mistakes, at most `most`."""
    if tested is None:
        return []
    pictures = []
    for image in tested.mistakes(most):
        true, predicted = (tested.classes[one[image]] for one in (tested.labels, tested.predicted))
        confidence = numbers.share(float(tested.confidence[image]))
        words = f"true: {true}, predicted: {predicted}, {confidence}"
        small = tested.images.shape[-1] < SIDE // 2
        pictures.append(Thumbnail(png(tested.images[image]), words, true, predicted, confidence, small))
    return pictures


def png(image: np.ndarray) -> str:
    """Return an image, uint8 (1 or 3 channels, S, S), as the address of an inline PNG; a large one is made smaller."""
    picture = Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    if picture.mode == "RGB":
        picture = picture.quantize(COLOURS)
    buffer = io.BytesIO()
    picture.save(buffer, "png", optimize=True)
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode('ascii')}"
