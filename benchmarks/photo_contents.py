"""How long it takes to know the content of a folder of photos: by one thread, by several, and when it is remembered.

    python benchmarks/photo_contents.py [--photos 3000] [--kilobytes 60] [--repeats 5]

`read` is with the files in memory, `from the disk` after they were dropped from it (POSIX_FADV_DONTNEED, Linux), and
`remembered` is a second look at unchanged files. The ways take turns. Printed is the median with [least, most] of the
seconds, and of the ratios to one thread of the same turn.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from nas_steps.data.content import THREADS, content_fingerprint
from nas_steps.provenance.contents import SETTLED

WAYS = ("read", "from the disk", "remembered")


def write(folder: Path, photos: int, kilobytes: int) -> None:
    """Write files of random bytes, named like photos, in ten classes."""
    for number in range(photos):
        file = folder / str(number % 10) / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(1024 * kilobytes))
    os.sync()


def drop(folder: Path) -> None:
    """Ask the kernel to forget the content of all files."""
    for file in folder.rglob("*.jpg"):
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def look(folder: Path, memory: Path, threads: int) -> tuple[float, str]:
    """Return the seconds of one look, and the fingerprint."""
    began = time.perf_counter()
    found = content_fingerprint(folder, memory, folder / "results", threads)
    return time.perf_counter() - began, found


def spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--photos", type=int, default=3000)
    options.add_argument("--kilobytes", type=int, default=60)
    options.add_argument("--repeats", type=int, default=5)
    given = options.parse_args()
    taken: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        photos, memory = Path(place, "photos"), Path(place, "memory.json")
        write(photos, given.photos, given.kilobytes)
        time.sleep(2 * SETTLED)
        seen = set()
        for _ in range(given.repeats):
            for way in WAYS:
                for threads in (1, THREADS):
                    if way != "remembered":
                        memory.unlink(missing_ok=True)
                    if way == "from the disk":
                        drop(photos)
                    seconds, found = look(photos, memory, threads)
                    seen.add(found)
                    taken.setdefault((way, threads), []).append(seconds)
        assert len(seen) == 1
    print(f"{given.photos} photos of {given.kilobytes} kB | threads | seconds | times as fast as one thread")
    for (way, threads), seconds_of in taken.items():
        ratios = [one / own for one, own in zip(taken[way, 1], seconds_of, strict=True)]
        print(f"{way} | {threads} | {spread(seconds_of)} | {spread(ratios)}")


if __name__ == "__main__":
    main()
