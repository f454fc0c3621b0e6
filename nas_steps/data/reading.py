"""Photos decoded by several threads, into the rows of a file.

Threads are enough: Pillow lets go of Python's lock while it decodes and resizes, and needs it for a small part of the
time (docs/measurements.md). They share the opened .zip, and none outlives the process.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zipfile import BadZipFile

from nas_steps.config.data import Data
from nas_steps.data.ahead import ahead
from nas_steps.data.layout import Tree
from nas_steps.data.photos import UnreadableError, decode
from nas_steps.data.rows import Rows
from nas_steps.data.splitting import digest

#: a dangling link, no right to read it, a member that is encrypted or damaged
CANNOT_OPEN = (OSError, RuntimeError, BadZipFile)
#: photos that a thread takes at once
AT_ONCE = 16


class Found(NamedTuple):
    """What a photo was: its conversions, bits and pixels as in `photos.Photo`, and a fingerprint of what is stored."""

    notes: list[str]
    needs: int
    size: int
    digest: bytes


class Reader:
    """Reads photos of `tree` as `data` says into `rows`."""

    def __init__(self, tree: Tree, data: Data, rows: Rows) -> None:
        self.tree, self.data, self.rows = tree, data, rows
        _, self.channels, self.side, _ = rows.shape

    def read(self, names: Sequence[str], first: int, threads: int) -> Iterator[Found | Exception]:
        """Write photos to the rows from `first` on; yield what each was, or why it cannot be read, in their order."""

        def some(start: int) -> list[Found | Exception]:
            return [self.one(name, first + start + index) for index, name in enumerate(names[start : start + AT_ONCE])]

        for found in ahead(some, range(0, len(names), AT_ONCE), threads=threads, depth=4 * threads):
            yield from found

    def one(self, name: str, row: int, bits: int = 16) -> Found | Exception:
        """Write one photo to a row, and return what it was. Return the error if it cannot be read."""
        data = self.data
        try:
            with self.tree.open(name) as stream:
                photo = decode(
                    stream, self.side, self.channels, data.max_image_pixels, bits, crop=data.crop, fit=data.fit
                )
        except (UnreadableError, *CANNOT_OPEN) as error:
            return error
        content = photo.pixels.tobytes()
        self.rows.write(row, content)
        return Found(photo.notes, photo.needs, photo.size, digest(content))
