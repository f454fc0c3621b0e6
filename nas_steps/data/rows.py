"""Images in files, read row by row: no page of them stays in this process's memory. No torch."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence
from typing import IO, Any, TypeAlias

import numpy as np

#: bytes of images that are handled at once
CHUNK = 8 * 2**20
#: bytes of images that are copied into memory when splits are joined or thinned
IN_MEMORY = 2**30


class OpenFile:
    """An open file that is closed with the last one who uses it, if not before."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()

    __del__ = close


class Rows:
    """Images uint8 (N, C, S, S) in an open file, from byte `offset` on; reads as many as are asked for, no more.

    `positions` are the rows of the file that count, in this order; None: the first `shape[0]`. It is indexed like an
    array by numbers, slices and arrays of numbers, and safe to be read by several threads.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self, file: OpenFile, shape: tuple[int, ...], offset: int = 0, positions: np.ndarray | None = None
    ) -> None:
        self.file = file
        self._row, self._offset = shape[1:], offset
        self._positions = np.arange(shape[0]) if positions is None else positions

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._positions), *self._row)

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self._row, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        return len(self) * self.row_bytes

    def __iter__(self) -> Iterator[np.ndarray]:
        return (image for chunk in chunks(self) for image in chunk)

    def __len__(self) -> int:
        return len(self._positions)

    def take(self, chosen: np.ndarray) -> Rows:
        """Return the rows with these numbers, without reading them."""
        return Rows(self.file, (0, *self._row), self._offset, self._positions[chosen])

    def __getitem__(self, chosen: Any) -> np.ndarray:
        positions = self._positions[chosen]
        found = np.empty((np.size(positions), *self._row), np.uint8)
        self._read(np.atleast_1d(positions), found)
        return found if np.ndim(positions) else found[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def gather(self, chosen: np.ndarray, out: np.ndarray) -> None:
        """Read the rows with these numbers into `out`, contiguous uint8 (numbers, C, S, S)."""
        self._read(self._positions[chosen], out)

    def _read(self, positions: np.ndarray, out: np.ndarray) -> None:
        size, number = self.row_bytes, self.file.fileno()
        flat = memoryview(out.reshape(-1)).cast("B")  # type: ignore[arg-type]
        # neighbours in the file are read at once
        ends = np.flatnonzero(np.diff(positions, append=-2) != 1) + 1
        start = 0
        for stop in ends.tolist():
            read_whole(number, flat[start * size : stop * size], self._offset + int(positions[start]) * size)
            start = stop

    def write(self, position: int, images: np.ndarray) -> None:
        """Write contiguous uint8 (N, C, S, S) to the file, from row `position` on."""
        write_whole(self.file.fileno(), images.data, self._offset + position * self.row_bytes)


def read_whole(number: int, into: memoryview, offset: int) -> None:
    """Fill `into` from byte `offset` of a file descriptor. Raises EOFError if the file ends before."""
    while len(into):
        count = os.preadv(number, [into], offset)
        if not count:
            raise EOFError(f"the file of images ends {len(into)} bytes too early; it was changed while it was read")
        into, offset = into[count:], offset + count


def write_whole(number: int, content: memoryview, offset: int) -> None:
    """Write all of `content` at byte `offset` of a file descriptor; a full disk raises OSError."""
    left = content.cast("B")
    while left:
        count = os.pwrite(number, left, offset)
        left, offset = left[count:], offset + count


class Joined(Rows):
    """The images of several files or arrays, one after the other."""

    def __init__(self, parts: Sequence[Images], positions: np.ndarray | None = None) -> None:
        self.parts = [rows_of(part) for part in parts]
        self._ends = np.cumsum([len(part) for part in self.parts])
        self._row = tuple(self.parts[0].shape[1:])
        self._positions = np.arange(self._ends[-1]) if positions is None else positions

    def take(self, chosen: np.ndarray) -> Joined:
        return Joined(self.parts, self._positions[chosen])

    def _read(self, positions: np.ndarray, out: np.ndarray) -> None:
        which = np.searchsorted(self._ends, positions, side="right")
        for number, part in enumerate(self.parts):
            mine = np.flatnonzero(which == number)
            if len(mine):
                out[mine] = part[positions[mine] - (self._ends[number] - len(part))]


#: images uint8 (N, C, S, S), in memory or in files
Images: TypeAlias = np.ndarray | Rows


def rows_of(images: Images) -> Images:
    """Return the rows of a mapped .npy file; any other array as it is."""
    if isinstance(images, np.memmap) and isinstance(images.base, mmap.mmap) and images.flags.c_contiguous:
        return Rows(OpenFile(open(str(images.filename), "rb")), images.shape, images.offset)
    return images


def take(images: Images, chosen: np.ndarray) -> Images:
    """Return the chosen images: a copy of an array, but no more than the numbers of rows in a file."""
    return images.take(chosen) if isinstance(images, Rows) else images[chosen]


def chunks(images: Images, limit: int = CHUNK) -> Iterator[np.ndarray]:
    """Yield the images in order, contiguous, some `limit` bytes at a time."""
    count = max(1, limit // max(1, images.nbytes // max(1, len(images))))
    for start in range(0, len(images), count):
        yield np.ascontiguousarray(images[start : start + count])
