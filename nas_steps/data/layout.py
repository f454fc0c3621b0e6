"""The split and class of each file of a folder or .zip, by its name; and how such files are opened."""

import os
import stat
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import BadZipFile, ZipFile, is_zipfile

from nas_steps.errors import UserError
from nas_steps.provenance.regular import irregular

#: folder names of splits, in lower case
SPLITS = {"training": "train", "val": "valid", "validation": "valid", "testing": "test"}
SPLITS |= {split: split for split in ("train", "valid", "test")}
WANTED = "give each class a subfolder of its images, with or without train/, valid/ (or val/) and test/ above them"


@dataclass
class Layout:
    """File names by split and class, those in no class (`loose`), and `classes`, each class's own spelling."""

    splits: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    loose: list[str] = field(default_factory=list)
    classes: dict[str, str] = field(default_factory=dict)


@dataclass
class Tree:
    """A folder or .zip: its label, the relative POSIX names of its files, and how to open one, in any thread."""

    label: str
    names: list[str]
    open: Callable[[str], AbstractContextManager[IO[bytes]]]


#: a file with such a name is meant as an image, even if its content cannot be read as one
EXTENSIONS = tuple(
    f".{name}"
    for name in (
        *("avif", "bmp", "dib", "gif", "heic", "heif", "ico", "j2k", "jfif", "jp2", "jpe", "jpeg", "jpg", "pbm", "pgm"),
        *("png", "pnm", "ppm", "psd", "svg", "tga", "tif", "tiff", "webp"),
    )
)


def named_as_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in EXTENSIONS


@contextmanager
def opened(path: Path, leave_out: Path | None = None) -> Iterator[Tree]:
    """Open the folder or .zip at `path`, without hidden files, `__MACOSX` and the folder `leave_out`."""
    if path.is_dir():
        files = visible_files(path, leave_out)
        yield Tree(printable(os.fspath(path)), list(files), lambda name: _open(os.path.join(path, files[name])))
    elif (reason := irregular(path)) is not None:
        raise UserError(f"data.path: {path} {reason} (seen from {Path.cwd()}); name a folder or a .zip of one")
    elif not is_zipfile(path):
        hint = "set data.source: npz to read it" if path.suffix == ".npz" else "name a folder or a .zip of one"
        raise UserError(f"data.path: {path} is neither a folder nor an intact .zip; {hint}")
    else:
        try:
            archive = ZipFile(path)
        except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise UserError(f"data.path: {path} is a broken .zip ({error}); make it anew") from error
        with archive:
            members = _members(path, archive)
            yield Tree(str(path), sorted(members), _Members(archive, members).open)


class _Members:
    """Opens members of an archive; what ZipFile counts while it opens and closes them is one thread's at a time."""

    def __init__(self, archive: ZipFile, members: dict[str, str]) -> None:
        self.archive, self.members, self.lock = archive, members, threading.Lock()

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        with self.lock:
            stream = self.archive.open(self.members[name])
        try:
            yield stream
        finally:
            with self.lock:
                stream.close()


def arrange(names: Iterable[str], label: str) -> Layout:
    """Sort file names into splits (or `train` alone) and classes. Raises UserError if folders contradict each other."""
    names = sorted(names)
    found = Layout(loose=[name for name in names if "/" not in name])
    inner = {name: tuple(name.split("/")) for name in names if "/" in name}
    tops = {parts[0] for parts in inner.values()}
    # a folder around all others is skipped
    while len(tops) == 1 and any(len(parts) > 2 for parts in inner.values()):
        found.loose += [name for name, parts in inner.items() if len(parts) == 2]
        inner = {name: parts[1:] for name, parts in inner.items() if len(parts) > 2}
        tops = {parts[0] for parts in inner.values()}
    split_folders = {top: SPLITS[top.lower()] for top in sorted(tops) if top.lower() in SPLITS}
    given = ", ".join(split_folders)
    if split_folders and len(split_folders) == len(tops):
        if "train" not in split_folders.values():
            raise UserError(f"{label} has {given} but no train/; add train/ with a subfolder a class")
        if len(set(split_folders.values())) < len(split_folders):
            raise UserError(f"{label} has several folders for one split among {given}; keep one of each")
        for name, parts in inner.items():
            if len(parts) == 2:
                found.loose.append(name)
            else:
                _put(found, split_folders[parts[0]], parts[1], name)
        return found
    if split_folders and any(parts[0] in split_folders and len(parts) > 2 for parts in inner.values()):
        others = printable(", ".join(sorted(tops - set(split_folders))))
        raise UserError(f"{label} has split folders ({given}) beside others ({others}); move these away")
    for name, parts in inner.items():
        if len(parts) > 2 and parts[1].lower() in SPLITS:
            below = f"{label} has {parts[1]}/ below {printable(parts[0])}/"
            raise UserError(f"{below}; put the splits above the classes, as in train/cat/")
        _put(found, "train", parts[0], name)
    return found


def printable(name: str) -> str:
    """Return `name` with bytes that are not UTF-8 as escapes: `caf\\xe9`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _put(found: Layout, split: str, folder: str, name: str) -> None:
    # one name may be spelt in two ways in Unicode, and macOS writes another one than Linux
    spelt = unicodedata.normalize("NFC", folder)
    class_name = printable(spelt)
    if found.classes.setdefault(class_name, spelt) != spelt:
        raise UserError(f"two class folders are called {class_name}, one of them not in UTF-8; rename that one")
    found.splits.setdefault(split, {}).setdefault(class_name, []).append(name)


def _open(file: str) -> IO[bytes]:
    if not stat.S_ISREG(os.stat(file).st_mode):
        raise OSError("it is a pipe, socket or device, no file")  # opening a pipe would wait for ever
    return open(file, "rb")


def visible_files(folder: Path, leave_out: Path | None = None) -> dict[str, str]:
    """Return the sorted names of all files below a folder that are not hidden; `leave_out` as in `opened`.

    Keys are relative POSIX names in Unicode, with surrogates for other bytes. Values are the names in this locale.
    """
    spelt = {os.fsencode(name).decode("utf-8", "surrogateescape"): name for name in _walk(folder, leave_out)}
    return {name: spelt[name] for name in sorted(spelt) if not _hidden(name)}


def _walk(folder: Path, leave_out: Path | None) -> Iterator[str]:
    """Yield relative names of all files; links to folders are followed, each real folder once."""
    seen = {os.path.realpath(folder)}
    if leave_out is not None:
        seen.add(os.path.realpath(leave_out))

    def refuse(error: OSError) -> None:
        folder = printable(str(error.filename))
        raise UserError(f"{folder} cannot be listed ({error.strerror}); give yourself the right to read it")

    for base, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        relative = os.path.relpath(base, folder)
        prefix = "" if relative == os.curdir else f"{Path(relative).as_posix()}/"
        yield from (prefix + name for name in files)
        kept = []
        for name in sorted(folders):
            real = os.path.realpath(os.path.join(base, name))
            if real not in seen and not _hidden(name):
                seen.add(real)
                kept.append(name)
        folders[:] = kept


def _members(path: Path, archive: ZipFile) -> dict[str, str]:
    """Return the name in the archive of every visible file, by its relative POSIX name."""
    members: dict[str, str] = {}
    for info in archive.infolist():
        if info.is_dir():
            continue
        name = info.filename
        if not info.flag_bits & 0x800:  # not marked as UTF-8; macOS writes UTF-8 without the mark
            try:
                name = name.encode("cp437").decode("utf-8")
            except UnicodeError:
                name = info.filename  # in truth an old code page: read as zipfile reads it
        name = name.replace("\\", "/")
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or parts[0].endswith(":"):
            raise UserError(f"data.path: {path} holds {printable(name)!r}, which points out of the archive; remove it")
        name = "/".join(parts)
        if _hidden(name):
            continue
        if name in members:
            raise UserError(f"data.path: {path} holds {printable(name)!r} twice; make the .zip anew")
        members[name] = info.filename
    return members


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
