"""What preparing photos will take, before it begins: bytes on the disk and seconds."""

import random
import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from math import isqrt
from pathlib import Path

from nas_steps.config.data import Data
from nas_steps.data.ahead import ahead
from nas_steps.data.layout import Layout, Tree
from nas_steps.data.photos import UnreadableError, decode, dimensions
from nas_steps.data.reading import CANNOT_OPEN
from nas_steps.data.splitting import missing_shares
from nas_steps.errors import UserError

#: photos that are looked at beforehand; of fewer than FEW nobody asks how long they take
SAMPLE, FEW = 50, 500


def foretell(
    tree: Tree,
    layout: Layout,
    data: Data,
    shape: tuple[int, int],
    place: str | Path,
    threads: int,
) -> None:
    """Print the bytes and the time that the photos of `layout` will take at `shape`, channels and side.

    Arrays are written in `place`. Raises UserError if its disk is too small, or if no
    resolution is set and the photos are much smaller than the default.
    """
    channels, side = shape
    files = {split: [name for key in sorted(of) for name in of[key]] for split, of in layout.splits.items()}
    counts, names = {split: len(of) for split, of in files.items()}, list(chain(*files.values()))
    sample = random.Random(0).sample(names, min(SAMPLE, len(names)))
    if data.resolution is None:
        _check_small(tree, sample, side)
    reading, arrays = _bytes(counts, data, channels * side * side)
    free = shutil.disk_usage(place).free
    total, what = reading + arrays, f"{len(names):,} photos at {side} x {side} pixels"
    if total > free:
        mend = f"{side * isqrt(10**6 * free // total) // 1000} pixels would fit"
        keep = ", set data.max_train, data.max_valid and data.max_test" if reading < free else ""
        raise UserError(
            f"{what} need {gigabytes(total)} on the disk of {place} ({gigabytes(reading)} while they are read, "
            f"{gigabytes(arrays)} of arrays), but {gigabytes(free)} are free; lower data.resolution ({mend}){keep}, "
            "or make room"
        )
    told = f"{what}: {gigabytes(arrays)} of arrays, {gigabytes(total)} with what is held while they are read "
    told += f"({gigabytes(free)} are free)"
    if len(names) >= FEW and (seconds := _seconds(tree, sample, data, shape, threads)):
        told += f"; about {_in_words(seconds * len(names))} on {threads} thread{'s' * (threads > 1)}"
    print(told, flush=True)


def gigabytes(count: int) -> str:
    """Return a number of bytes in GB or MB of powers of ten, as disks are sold."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _bytes(counts: Mapping[str, int], data: Data, row: int) -> tuple[int, int]:
    """Return the bytes of all photos as they are read, and of the arrays that stay, at most."""
    shares = missing_shares(counts, data.valid, data.test)
    sizes = {**counts, **{name: round(counts["train"] * share) for name, share in shares.items()}}
    limits = {"train": data.max_train, "valid": data.max_valid, "test": data.max_test}
    kept = sum(min(size, limits[name] or size) for name, size in sizes.items())
    return sum(counts.values()) * row, kept * (row + 8)


def _check_small(tree: Tree, sample: Sequence[str], side: int) -> None:
    sides = []
    for name in sample:
        try:
            with tree.open(name) as stream:
                sides.append(min(dimensions(stream)))
        except (UnreadableError, *CANNOT_OPEN):
            continue  # it is named when all are read
    if not sides or (middle := int(statistics.median(sides))) >= side:
        return
    what = f"the photos in {tree.label} have {middle} pixels on their shorter side (median of {len(sides)})"
    stored = f"data.resolution is not set, and the default of a folder is {side}"
    if middle < side / 2:
        raise UserError(f"{what}, but {stored}: set data.resolution: {max(4, middle)}, or {side} to enlarge them")
    print(f"warning: {what}; {stored}: they are enlarged; data.resolution: {middle} would not", flush=True)


def _seconds(tree: Tree, sample: Sequence[str], data: Data, shape: tuple[int, int], threads: int) -> float:
    """Return the seconds that one photo takes `threads` threads, of those in `sample`; 0 if none can be read."""
    channels, side = shape

    def one(name: str) -> bool:
        try:
            with tree.open(name) as stream:
                decode(stream, side, channels, data.max_image_pixels, crop=data.crop, fit=data.fit)
        except (UnreadableError, *CANNOT_OPEN):
            return False
        return True

    started = time.perf_counter()
    read = sum(ahead(one, sample, threads=threads, depth=4 * threads))
    return (time.perf_counter() - started) / read if read else 0.0


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
