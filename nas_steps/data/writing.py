"""Arrays written some images at a time, with their checksum and the counts of their levels."""

import hashlib
import sys
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from tqdm import tqdm

from nas_steps.data.ahead import ahead
from nas_steps.data.rows import Images
from nas_steps.provenance.files import Stream

#: a channel that never varies would be divided by 0; one grey level of 255 is the smallest step there is
SMALLEST_STD = 1 / 255
#: bytes of images that are read, hashed and written at once: few enough to stay in the processor's cache
WRITTEN = 2**20
#: values whose levels are counted of a split, twice as many at most: of a larger one every k-th image
COUNTED = 2**27


class Hashed(Stream):
    """A stream that hashes what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.hash, self._pass_on = hashlib.sha256(), file.write
        self.write = self._write

    def _write(self, content: Any) -> int:
        self.hash.update(content)
        return self._pass_on(content)

    @property
    def checksum(self) -> str:
        """The sha256 of all that was written."""
        return self.hash.hexdigest()


def save_labels(file: BinaryIO, labels: np.ndarray) -> str:
    """Write a .npy file; return its sha256."""
    stream = Hashed(file)
    np.save(stream, np.ascontiguousarray(labels), allow_pickle=False)
    return stream.checksum


def save_images(file: BinaryIO, images: Images, label: str, *, count: bool) -> tuple[str, np.ndarray]:
    """Write uint8 (N, C, S, S) as `np.save` does; return the sha256, and how often each channel has each level.

    The counts are int64 (C, 256), zeros unless `count`, of every k-th image from twice COUNTED values on. Images are
    read, hashed and counted in another thread than that which writes them.
    """
    stream, counts = Hashed(file), np.zeros((images.shape[1], 256), np.int64)
    described = {"descr": "|u1", "fortran_order": False, "shape": images.shape}
    np.lib.format.write_array_header_1_0(stream, described)
    many = max(1, WRITTEN * len(images) // max(1, images.nbytes))
    every = max(1, images.nbytes // COUNTED)

    def read(start: int) -> tuple[np.ndarray, np.ndarray | int]:
        some = np.ascontiguousarray(images[start : start + many])
        stream.hash.update(some.data)
        return some, levels(some[-start % every :: every]) if count else 0

    shown: dict[str, Any] = {
        "desc": f"writing {label}",
        "unit": "image",
        "mininterval": 2,
        "delay": 2,
        "file": sys.stderr,
    }
    with tqdm(total=len(images), **shown) as progress:
        for some, counted in ahead(read, range(0, len(images), many), threads=1, depth=2):
            file.write(some.data)
            counts += counted
            progress.update(len(some))
    return stream.checksum, counts


def levels(images: np.ndarray) -> np.ndarray:
    """Return how often each channel of uint8 (N, C, S, S) has each of the 256 levels, int64 (C, 256)."""
    side = images.shape[-1]
    # Pillow counts four times as fast as numpy.bincount
    rows = (np.ascontiguousarray(images[:, channel]).reshape(-1, side) for channel in range(images.shape[1]))
    return np.array([Image.fromarray(channel).histogram() for channel in rows], np.int64)


def mean_and_std(counts: np.ndarray) -> tuple[list[float], list[float]]:
    """Return mean and std by channel, of values scaled to 0 to 1, from the counts of `levels`; exact."""
    scale = np.arange(256) / 255
    mean, std = [], []
    for counted in counts:
        shares = counted / np.sum(counted)
        centre = float(shares @ scale)
        mean.append(centre)
        std.append(max(float(np.sqrt(shares @ (scale - centre) ** 2)), SMALLEST_STD))
    return mean, std
