"""The contents of files, without reading each of them at every start."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from nas_steps.provenance.files import write_text
from nas_steps.provenance.fingerprint import file_hash

#: Seconds, over FAT's tick of 2, in which a file may change again and look the same: a younger one is read again.
SETTLED = 2.5

#: size, time of change, time of change of the inode, number of the inode
Stamp = list[int]


class Contents:
    """What was read of files, remembered in the JSON file `memory`. Use it as a context manager.

    A file is read again if its stamp changed. That has the inode's time of change, which no program can set back, so a
    swapped file of the same size and time is noticed, as is a link that leads elsewhere. A file that may have changed
    after it was read, within one tick of a clock, is read again, too: what was read less than SETTLED after the change,
    by this machine's clock, is not remembered, and what changed less than that before `memory` was written, by the
    clock of its file system, is not believed. Threads may share it.
    """

    def __init__(self, memory: str | Path) -> None:
        self._memory = Path(memory)
        self._known: dict[str, tuple[Stamp, str]] = {}
        self._new: dict[str, tuple[Stamp, str]] = {}

    def __enter__(self) -> Contents:
        try:
            lines = json.loads(self._memory.read_text(encoding="utf-8"))
            last = os.stat(self._memory).st_mtime_ns - int(SETTLED * 1e9)
            entries = ((name, [*map(int, stamp)], str(found)) for name, (*stamp, found) in lines.items())
            self._known = {name: (stamp, found) for name, stamp, found in entries if stamp[2] <= last}
        except (OSError, ValueError, TypeError, AttributeError, IndexError):
            self._known = {}  # it only saves time: what is not in it is read again
        return self

    def __exit__(self, *_exception: object) -> None:
        if not self._new:
            return
        with suppress(OSError):  # it only saves time: without it, files are read again
            lines = {name: [*stamp, found] for name, (stamp, found) in (self._known | self._new).items()}
            # escaped, names that are no text survive
            write_text(self._memory, json.dumps(lines, ensure_ascii=True, separators=(",", ":")))

    def of(self, file: str | Path, read: Callable[[Path], str] = file_hash) -> str:
        """Return `read(file)`, by default its sha256; from memory if the file has not changed.

        Each function has its own memory. Raises OSError for a file that cannot be read, a pipe or a device.
        """
        name = os.path.abspath(file)
        began = time.time()
        status = os.stat(name)
        stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        key = name if read is file_hash else f"{read.__name__} {name}"
        known = self._known.get(key)
        if known is not None and known[0] == stamp:
            return known[1]
        if not S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is a pipe, socket, device or folder, no file", name)
        found = read(Path(name))
        if status.st_ctime_ns / 1e9 + SETTLED < began:
            self._new[key] = (stamp, found)
        return found
