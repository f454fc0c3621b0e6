"""Fingerprints of code and settings: what decides whether a step is stale."""

import hashlib
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from nas_steps.provenance.files import canonical_json
from nas_steps.provenance.modules import Parsed, parsed

PACKAGE = Path(__file__).resolve().parents[1]
#: files of a package that are no Python but decide what it writes
DATA_SUFFIXES = (".j2", ".css", ".cpp")
#: modules that decide nothing by themselves: the schema and the declarations of steps. What they say reaches a step as
#: values, in its settings file, its command and the names of its files.
UNWATCHED = re.compile(r"nas_steps\.config(\..*)?|nas_steps\.\w+\.steps")


def fingerprint(value: Any) -> str:
    """Sixteen hexadecimal digits of the sha256 of a JSON value."""
    # a name of a file may hold bytes that are no text
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def code_fingerprint(*modules: str) -> str:
    """Return the fingerprint of some modules and of every nas_steps module that they import, directly or not.

    Comments, docstrings and formatting do not count; imports inside functions and a package's templates do. The schema
    of the config and the declarations of steps do not count.
    """
    return fingerprint(module_hashes(*modules))


def module_hashes(*modules: str) -> dict[str, str]:
    """Return what `code_fingerprint` is made of: module name -> hash."""
    return {name: _parsed(name).hash[:16] for name in sorted(transitive_imports(*modules))}


def transitive_imports(*modules: str) -> set[str]:
    """Return `modules` and the nas_steps modules that importing and running them can load, those that are not watched
    aside."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or UNWATCHED.fullmatch(name):
            continue
        found.add(name)
        waiting.extend(_imports(name) - found)
    return found


def module_file(name: str) -> Path | None:
    """The file of a nas_steps module (a package's is its __init__.py), or None where there is no such module."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name:
        return None
    base = PACKAGE.joinpath(*parts[1:])
    for file in (base.with_suffix(".py"), base / "__init__.py"):
        if file.is_file():
            return file
    return None


@cache
def _parsed(name: str) -> Parsed:
    file = module_file(name)
    if file is None:
        raise ValueError(f"there is no module {name}")
    data = b""
    if file.name == "__init__.py":
        # a package brings its templates, style sheets and compiled code with it
        data = b"".join(one.read_bytes() for one in sorted(file.parent.iterdir()) if one.suffix in DATA_SUFFIXES)
    return parsed(file.read_bytes(), data)


@cache
def _imports(name: str) -> frozenset[str]:
    parts = name.split(".")
    found = {".".join(parts[:length]) for length in range(1, len(parts))}  # importing a.b.c runs a and a.b first
    return frozenset(child for child in found.union(_parsed(name).imports) if module_file(child) is not None)


def edited_since(moment: float) -> bool:
    """Return whether a file of a loaded nas_steps module, or the file's name, was changed after a Unix time.

    The inode's time of change shows it; the time of modification may be anything.
    """
    own = f"{PACKAGE.name}."
    files = [str(found.__file__) for name, found in list(sys.modules.items()) if name.startswith(own)]
    return any(not os.path.exists(file) or os.stat(file).st_ctime > moment for file in files)


def file_hash(file: Path) -> str:
    """The sha256 of a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
