"""The documents of a source of text: their names, their part if the source has parts, and how they are read."""

from __future__ import annotations

import os
import sysconfig
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO
from zipfile import BadZipFile

from nas_steps.config.text import TextData
from nas_steps.data.layout import SPLITS, Tree, opened, printable, visible_files
from nas_steps.errors import UserError

#: folders of the standard library that are no part of it, or that some installations lack
NO_STDLIB = ("site-packages", "dist-packages", "__pycache__", "test", "tests", "idle_test", "lib-dynload")
#: files of it that were written when Python was built on this machine
BUILT_HERE = ("_sysconfigdata*", "config-*")
#: what reading raises: no right, a dangling link, a member that is encrypted or damaged
CANNOT_READ = (OSError, RuntimeError, BadZipFile, zlib.error, EOFError)
WANTED = "wanted are text files in a folder or a .zip, or train/, valid/ (or val/) and test/ with such files"


@dataclass(frozen=True)
class Documents:
    """The sorted names of all documents by part (`train` alone if the source has no parts) of `tree`.

    `ignored` counts the other files. `listed` is whether the fingerprint of the source is that of its documents.
    """

    tree: Tree
    parts: dict[str, list[str]]
    ignored: int
    listed: bool

    def read(self, name: str) -> bytes:
        """Return the content. Raises one of CANNOT_READ."""
        with self.tree.open(name) as stream:
            return stream.read()


@contextmanager
def documents(data: TextData, leave_out: Path | None = None) -> Iterator[Documents]:
    """Open the source of text; `leave_out` is a folder that is no part of it.

    Raises UserError if there is none, if no name matches `data.files`, or if folders contradict each other.
    """
    if data.source == "stdlib":
        files = stdlib_files()
        tree = Tree("Python's standard library", list(files), lambda name: _open(files[name]))
        yield Documents(tree, {"train": tree.names}, 0, listed=True)
        return
    if data.path is None:
        raise UserError("data.source is text, but data.path names none; set it to a folder of text files, or a .zip")
    path = Path(os.path.expanduser(data.path))
    with opened(path, leave_out) as tree:
        names = matching(tree.names, data.files)
        if not names:
            raise UserError(_nothing(tree, data.files))
        yield Documents(tree, arranged(names, tree.label), len(tree.names) - len(names), listed=path.is_dir())


def stdlib_files() -> dict[str, str]:
    """Return the .py files of Python's standard library: relative POSIX name -> path, sorted.

    Tests, installed packages and files that depend on the machine are left out. Raises UserError if there are none.
    """
    root = sysconfig.get_path("stdlib")
    found: dict[str, str] = {}
    for base, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in NO_STDLIB and not _is_built(name)]
        for name in names:
            if name.endswith(".py") and not _is_built(name):
                path = os.path.join(base, name)
                found[Path(os.path.relpath(path, root)).as_posix()] = path
    if not found:
        raise UserError(
            f"data.source is stdlib, but this Python has no sources in {root}; take another Python, or set "
            "data.source: text and data.path"
        )
    return dict(sorted(found.items()))


def source_files(data: TextData, leave_out: Path | None = None) -> dict[str, str]:
    """Return the files of a source that is no .zip: relative name -> path, sorted; those that `documents` reads."""
    if data.source == "stdlib":
        return stdlib_files()
    folder = Path(os.path.expanduser(data.path or ""))
    files = visible_files(folder, leave_out)
    return {name: os.path.join(folder, files[name]) for name in matching(list(files), data.files)}


def matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Return the names that a pattern matches: the whole name if the pattern has a slash, else its last part."""
    return [
        name
        for name in names
        if any(fnmatchcase(name if "/" in pattern else name.rpartition("/")[2], pattern) for pattern in patterns)
    ]


def arranged(names: Sequence[str], label: str) -> dict[str, list[str]]:
    """Return the names by part, `train` alone if the folders name none. Raises UserError if they contradict."""
    inner = {name: name.split("/") for name in names}
    # a folder around all others is skipped
    while all(len(place) > 1 for place in inner.values()) and len({place[0] for place in inner.values()}) == 1:
        inner = {name: place[1:] for name, place in inner.items()}
    tops = {place[0] for place in inner.values() if len(place) > 1}
    given = {top: SPLITS[top.lower()] for top in sorted(tops) if top.lower() in SPLITS}
    if "train" not in given.values() or len(set(given.values())) < 2:
        return {"train": list(names)}  # a folder `test` alone may hold anything
    folders = ", ".join(f"{top}/" for top in given)
    if len(set(given.values())) < len(given):
        raise UserError(f"{label} has several folders for one part among {folders}; keep one of each")
    if others := [name for name, place in inner.items() if len(place) < 2 or place[0] not in given]:
        raise UserError(
            f"{label} has {folders} beside {len(others)} documents outside of these, such as {printable(others[0])}; "
            f"{WANTED}: move them"
        )
    return {part: [name for name, place in inner.items() if given[place[0]] == part] for part in given.values()}


def _open(file: str) -> IO[bytes]:
    return open(file, "rb")


def _is_built(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in BUILT_HERE)


def _nothing(tree: Tree, patterns: Sequence[str]) -> str:
    if not tree.names:
        return f"data.path: {tree.label} is empty; {WANTED}"
    endings = Counter(os.path.splitext(name)[1] or "no ending" for name in tree.names).most_common(5)
    found = ", ".join(f"{printable(ending)} ({count})" for ending, count in endings)
    wanted = ", ".join(patterns)
    return (
        f"data.path: none of the {len(tree.names)} files of {tree.label} matches data.files ({wanted}); their endings "
        f"are {found}; set data.files to patterns of the text files, such as '*.md'"
    )
