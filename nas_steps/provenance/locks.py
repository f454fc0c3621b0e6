"""A lock on a file, which ends with the process that holds it.

It is the kernel's (`flock`), unless the file system has none. Then the file itself is the lock. It names its process,
which touches it regularly; it is void if that process has ended, or on another machine has not touched it for minutes.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from nas_steps.provenance.files import lives

#: the errors of `flock` if the file system has no locks
ABSENT = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)
#: seconds between two touches of a file that is a lock, and until one of another machine is void
BEAT, SILENT = 10.0, 180.0

#: the content of a lock's file: host, pid, and what the caller adds
Holder = dict[str, Any]


class Held:
    """A lock that this process holds until `close`, or until it ends."""

    def __init__(self, path: Path, holder: Holder, file: TextIO | None) -> None:
        self.path = path
        self.holder = holder
        self._file = file
        self._closed = threading.Event()
        if file is None:
            threading.Thread(target=self._beat, daemon=True).start()

    def tell(self, **more: Any) -> None:
        """Write more into the lock's file, for others to read."""
        self.holder = {**self.holder, **more}
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
            self._file.write(json.dumps(self.holder))
            self._file.flush()
        else:
            self.path.write_text(json.dumps(self.holder), encoding="utf-8")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        elif not self._closed.is_set():
            self._closed.set()
            if read(self.path).get("token") == self.holder["token"]:
                self.path.unlink(missing_ok=True)

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _beat(self) -> None:
        while not self._closed.wait(BEAT):
            # if the file system is away for a moment, the next beat is in time
            with suppress(OSError):
                os.utime(self.path)


def hold(path: Path, **holder: Any) -> Held | None:
    """Lock the file `path`, make it if need be, and write `holder` into it; None if another process holds it."""
    pid = os.getpid()
    holder = {"host": socket.gethostname(), "pid": pid, "born": _born(pid), "token": uuid.uuid4().hex, **holder}
    if not _kernel_locks(path.parent):
        return _hold_by_file(path, {**holder, "by_file": True})
    while True:
        file = path.open("a+", encoding="utf-8")
        if not _flock(file, fcntl.LOCK_EX):
            file.close()
            return None
        # the holder before may have deleted the file between our opening and locking it
        if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
            held = Held(path, holder, file)
            held.tell()
            return held
        file.close()


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock. During this call `hold` may take it for held."""
    if not path.exists():
        return False
    if not _kernel_locks(path.parent):
        return _lives(path, read(path))
    with path.open(encoding="utf-8") as file:
        return not _flock(file, fcntl.LOCK_SH)


def read(path: Path) -> Holder:
    """Return the content of a lock's file; empty if there is none yet."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}


def name(holder: Holder) -> str:
    """Return the holder in words."""
    return f"process {holder.get('pid', 'unknown')} on {holder.get('host', 'an unknown machine')}"


def _flock(file: TextIO, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _kernel_locks(folder: Path) -> bool:
    return _tried(folder, folder.stat().st_dev)


@cache
def _tried(folder: Path, _device: int) -> bool:
    probe = folder / f".probe-{uuid.uuid4().hex}"
    try:
        with probe.open("w", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in ABSENT:
            raise
        _warn(os.strerror(error.errno or 0))
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True


@cache
def _warn(why: str) -> None:
    print(f"This file system has no flock ({why}): files that name their process are the locks.", flush=True)


def _hold_by_file(path: Path, holder: Holder) -> Held | None:
    while True:
        try:
            # only one process can be the one that makes it
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            found = read(path)
            if _lives(path, found) or not _take_away(path, found):
                return None
            continue
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(json.dumps(holder))
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return Held(path, holder, None)


def _lives(path: Path, holder: Holder) -> bool:
    """Return whether the process that a lock's file names still holds it."""
    if holder and not holder.get("by_file"):
        return False  # left by a process that held the kernel's lock
    if holder.get("host") == socket.gethostname():
        # another process may have got the same number
        return lives(holder["pid"]) and _born(holder["pid"]) == holder["born"]
    try:
        last = path.stat().st_mtime
    except FileNotFoundError:
        return False
    return _now(path.parent) - last < SILENT


def _born(pid: int) -> str | None:
    """Return when a process of this machine began, to tell it from a later one of its number; None if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    return f"{boot} {stat.rpartition(')')[2].split()[19]}"


def _now(folder: Path) -> float:
    """Return the time by the clock of the files in `folder`, which may be another machine's."""
    probe = folder / f".clock-{uuid.uuid4().hex}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:
        return time.time()  # nothing may be written here: the machines' clocks must do
    finally:
        with suppress(OSError):
            probe.unlink()


def _take_away(path: Path, holder: Holder) -> bool:
    """Delete the lock that says `holder`, and none that another process has made meanwhile."""
    aside = path.with_name(f".dead-{uuid.uuid4().hex}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return True
    if read(aside).get("token") == holder.get("token"):
        aside.unlink()
        return True
    with suppress(FileExistsError):
        os.link(aside, path)
    aside.unlink()
    return False
