"""What the text of a module says: the hash of its code, and what it imports; parsed once for many processes."""

import ast
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from nas_steps.provenance.files import write_text

#: fields of a syntax tree that no program depends on
HINTS = ("kind", "type_comment", "type_ignores")
#: the file among the settings that remembers what all modules say
MODULES = "modules.json"
#: entries of a memory above which those of other texts are forgotten
MOST = 2000


class Parsed(NamedTuple):
    """The hash of a module's syntax tree without docstrings, and the modules of this package that it may import."""

    hash: str
    imports: tuple[str, ...]


#: by the sha256 of a module's text and of what belongs to it
_known: dict[str, Parsed] = {}
#: those of them that this process asked for, and the memories that it has read
_used: set[str] = set()
_read: set[str] = set()


def parsed(text: bytes, data: bytes = b"") -> Parsed:
    """Return what a module's text says. Of a package, `data` are its files that are no code but count."""
    key = hashlib.sha256(text).hexdigest() + (hashlib.sha256(data).hexdigest() if data else "")
    if key not in _known:
        _known[key] = _parse(text, data)
    _used.add(key)
    return _known[key]


@contextmanager
def remembered(memory: str | Path) -> Iterator[None]:
    """Let what is parsed in the block be known to all processes that name the JSON file `memory`.

    An entry goes by the sha256 of a text, so it is never out of date. If the memory is lost, broken or was written by
    another version of this module or of Python, modules are parsed again.
    """
    path = os.path.abspath(memory)
    if path not in _read:
        _read.add(path)
        _known.update(_recall(path))
    before = len(_known)
    yield
    if len(_known) > before:
        kept = _used if len(_known) > MOST else _known
        entries = {key: _known[key] for key in sorted(kept)}
        with suppress(OSError):  # it only saves time
            write_text(path, json.dumps({"by": _by(), "modules": entries}, separators=(",", ":")))


def _recall(path: str) -> dict[str, Parsed]:
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        entries = found["modules"].items() if found["by"] == _by() else ()
        return {key: Parsed(str(digest), tuple(map(str, imports))) for key, (digest, imports) in entries}
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return {}  # it only saves time


@cache
def _by() -> str:
    """Return what decides on an entry besides the text: this module and the version of Python, which parses it."""
    return f"{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]} {sys.version_info[:2]}"


def _parse(text: bytes, data: bytes) -> Parsed:
    tree = ast.parse(text.decode("utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            node.body
            and isinstance(node.body[0], ast.Expr)
            and isinstance(node.body[0].value, ast.Constant)
            and isinstance(node.body[0].value.value, str)
        ):
            node.body = node.body[1:]
    package = __name__.partition(".")[0]
    imports = tuple(sorted(name for name in names if name.partition(".")[0] == package))
    return Parsed(hashlib.sha256(_spelled(tree).encode() + data).hexdigest(), imports)


def _spelled(value: Any) -> str:
    """Spell a syntax tree the same in every version of Python.

    `ast.dump` does not: each version adds fields, and prints or hides those that are empty. So an empty field is left
    out here, and the order of the fields is that of their names.
    """
    if isinstance(value, ast.JoinedStr):
        # Python 3.12 puts empty texts into an f-string
        value = ast.JoinedStr([part for part in value.values if getattr(part, "value", None) != ""])
    if isinstance(value, ast.AST):
        fields = sorted((name, field) for name, field in ast.iter_fields(value) if field not in (None, []))
        inner = ",".join(f"{name}={_spelled(field)}" for name, field in fields if name not in HINTS)
        return f"{type(value).__name__}({inner})"
    if isinstance(value, list):
        return f"[{','.join(map(_spelled, value))}]"
    return repr(value)
