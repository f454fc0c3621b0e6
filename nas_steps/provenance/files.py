"""Files that are either complete or absent: written beside their place, then renamed."""

import csv
import errno
import glob
import json
import math
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from nas_steps.errors import UserError


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; renamed to it on success, removed on failure.

    Temporary files of dead processes of this machine are removed, too. The file gets the mode of a new file, so that
    others may read it. An OSError that names no file names this one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.{glob.escape(socket.gethostname())}.*.partial"):
        pid = left.name.split(".")[-2]
        if pid.isdecimal() and not lives(int(pid)):
            with suppress(PermissionError):  # in some shared folders only its owner may remove a file
                left.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as file:
            mode = os.fstat(file.fileno()).st_mode
        temporary.unlink()  # a writer that writes nothing has failed
        yield temporary
        if temporary.stat().st_mode != mode:
            temporary.chmod(mode)
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is None or os.fspath(error.filename) == os.fspath(temporary):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def lives(pid: int) -> bool:
    """Return whether a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        pass
    return True


def write_text(path: str | Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


class Stream:
    """A file whose errors are Python's: NumPy writes a real file in C, and a full disk then leaves no errno."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


def canonical_json(value: Any) -> str:
    """Return one spelling for equal values: sorted keys, no spaces. NaN is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def write_json(path: str | Path, value: Any) -> None:
    """Write readable JSON with sorted keys; NaN and infinity become null."""
    write_text(path, json.dumps(_finite(value), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


#: files for jobs that could not be written while a plan was made, and why
unwritten: dict[str, OSError] = {}


def write_for_jobs(path: str | Path, text: str) -> None:
    """Write a file for jobs; note a failure for `refuse_unwritten`, so that a plan can be shown without the right."""
    try:
        write_text(path, text)
    except OSError as error:
        unwritten[str(path)] = error
    else:
        unwritten.pop(str(path), None)


def refuse_unwritten() -> None:
    """Raise UserError if a file that jobs need could not be written."""
    for path, error in unwritten.items():
        if not Path(path).exists():
            raise UserError(f"{path} cannot be written: {reason(error)}; {MEND}")


def remember(path: str | Path, value: Any) -> None:
    """Write JSON that saves work the next time, if it can be written."""
    with suppress(OSError):
        write_json(path, value)


#: errors that the user can mend: rights, room, names
MENDABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENAMETOOLONG)
MEND = "make room or ask for the right to write there, or start snakemake in another folder (--directory)"


def in_words(error: OSError) -> str:
    """Return one message for an error that the user can mend."""
    where = f" ({error.filename})" if error.filename else ""
    return f"{reason(error)}{where}; {MEND}"


def reason(error: OSError) -> str:
    """Return the system's words, without the file."""
    return os.strerror(error.errno) if error.errno else str(error)


def read_json(path: str | Path) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not valid JSON ({error}); delete it and run snakemake again") from None


def write_csv(path: str | Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows under a fixed header; None and NaN become empty cells, floats keep all their digits."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(columns), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: _cell(value) for key, value in row.items()})


def read_csv(path: str | Path) -> list[dict[str, str]]:
    """Return the rows, all cells as text."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def number(cell: str | None) -> float:
    """Return the float in a cell; an empty one is NaN."""
    return float(cell) if cell else math.nan


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, float):
        return repr(float(value))  # NumPy's float64 is a float, too
    return _cell(value.item()) if hasattr(value, "item") else value  # another number of NumPy's, of fewer digits


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
