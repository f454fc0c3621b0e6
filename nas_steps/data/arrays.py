"""The images of a source, and their conversion to the wanted side and channels."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from nas_steps.config.data import Data
from nas_steps.data.photos import square
from nas_steps.data.rows import Images, OpenFile
from nas_steps.errors import UserError

SMALLEST_SIDE = 4


@dataclass
class Labelled:
    """Images uint8 (N, C, S, S), labels int64 (N,), indices into the source's classes.

    `names` are those of files, if there are any; `sketches` are those of `duplicates.sketch`, if they are known.
    """

    images: Images
    labels: np.ndarray
    names: list[str] | None = None
    sketches: list[bytes] | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass
class Source:
    """All images of a source: `train`, and `valid` and `test` if it has them."""

    classes: list[str]
    splits: dict[str, Labelled]
    converted: Counter[str] = field(default_factory=Counter)  # images, by conversion
    skipped: list[dict[str, Any]] = field(default_factory=list)  # unreadable files, why, and pixels if too many
    ignored: int = 0  # files or keys that are no images
    largest: int = 0  # pixels of the largest picture before it was resized
    bits: int = 16  # bits used by images that have 16 a value
    scratch: OpenFile | None = None  # the file that holds the images, if they are not in memory

    def close(self) -> None:
        """Close the file of the images, if there is one; nothing of it is left then."""
        if self.scratch is not None:
            self.scratch.close()


def check_classes(classes: list[str], data: Data) -> None:
    """Raise UserError if there is nothing to tell apart."""
    if len(classes) < 2:
        found = f"only one class ({classes[0]})" if classes else "no class"
        where = f"source {data.source} ({data.path})"
        raise UserError(f"{where} has {found}; at least two classes are needed to classify")


def fit(images: np.ndarray, data: Data, converted: Counter[str]) -> np.ndarray:
    """Bring uint8 (N, H, W, C) to uint8 (N, C', S, S), as `data.resolution` and `data.channels` say.

    Without a resolution, S is the shorter side. `square` resizes by `data.crop` and `data.fit`;
    `converted` counts it. Raises UserError if they are too small.
    """
    count, height, width, own = images.shape
    side = data.resolution or min(height, width)
    channels = own if data.channels == "auto" else data.channels
    if side < SMALLEST_SIDE:
        problem = f"the images of source {data.source} have {height} x {width} pixels"
        raise UserError(f"{problem}, but at least {SMALLEST_SIDE} a side are needed; raise data.resolution")
    whole = data.fit == "letterbox"
    if (max if whole else min)(height, width) != side or data.crop != 1:
        converted[f"resized from {height} x {width}"] += count
    if height != width or data.crop != 1:
        converted["letterboxed" if whole else "centre-cropped"] += count
    if own != channels:
        converted["grey to RGB" if channels == 3 else "RGB to grey"] += count
    if (height, width, own) == (side, side, channels) and data.crop == 1:
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    fitted = np.empty((count, channels, side, side), np.uint8)
    for index, pixels in enumerate(images):
        image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if own == 1 else pixels))
        fitted[index] = square(image.convert("L" if channels == 1 else "RGB"), side, data.crop, data.fit)
    return fitted
