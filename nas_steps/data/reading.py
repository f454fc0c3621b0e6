"""Photos decoded by several threads, into the rows of a file.

Threads are enough: Pillow lets go of Python's lock while it decodes and resizes, and needs it for about a quarter of
the time (docs/measurements.md). They share the opened .zip, and none outlives the process.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np

from nas_steps.config.data import Data
from nas_steps.data.ahead import ahead
from nas_steps.data.duplicates import sketch
from nas_steps.data.layout import Tree
from nas_steps.data.photos import UnreadableError, decode
from nas_steps.data.rows import Rows

#: a dangling link, no right to read it, a member that is encrypted or damaged
CANNOT_OPEN = (OSError, RuntimeError, BadZipFile)
#: bytes of pixels that a thread decodes before they are written, and photos at most
BLOCK, AT_ONCE = 2**20, 64


class Found(NamedTuple):
    """What a photo was: its conversions, bits and size as in `photos.Photo`, and a sketch of what is stored."""

    notes: list[str]
    needs: int
    size: int
    sketch: bytes


class Reader:
    """Reads photos of `tree` as `data` says into `rows`."""

    def __init__(self, tree: Tree, data: Data, rows: Rows) -> None:
        self.tree, self.data, self.rows = tree, data, rows
        _, self.channels, self.side, _ = rows.shape

    def read(self, names: Sequence[str], first: int, threads: int) -> Iterator[Found | Exception]:
        """Write photos to the rows from `first` on; yield what each was, or why it cannot be read, in their order."""
        many = max(1, min(AT_ONCE, BLOCK // self.rows.row_bytes))

        def some(start: int) -> list[Found | Exception]:
            chosen = names[start : start + many]
            pixels = np.empty((len(chosen), *self.rows.shape[1:]), np.uint8)
            found = [self._decode(name, into) for name, into in zip(chosen, pixels, strict=True)]
            self.rows.write(first + start, pixels)  # the row of an unreadable photo holds anything
            return found

        for found in ahead(some, range(0, len(names), many), threads=threads, depth=4 * threads):
            yield from found

    def one(self, name: str, row: int, bits: int) -> Found | Exception:
        """Write one photo to a row, and return what it was. Return the error if it cannot be read."""
        pixels = np.empty((1, *self.rows.shape[1:]), np.uint8)
        found = self._decode(name, pixels[0], bits)
        self.rows.write(row, pixels)
        return found

    def _decode(self, name: str, into: np.ndarray, bits: int = 16) -> Found | Exception:
        data = self.data
        try:
            with self.tree.open(name) as stream:
                photo = decode(
                    stream, self.side, self.channels, data.max_image_pixels, bits, crop=data.crop, fit=data.fit
                )
        except (UnreadableError, *CANNOT_OPEN) as error:
            return error
        into[:] = photo.pixels
        return Found(photo.notes, photo.needs, photo.size, sketch(into))
