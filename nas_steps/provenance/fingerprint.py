"""Fingerprints of code and settings: what decides whether a step is stale."""

import ast
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from nas_steps.provenance.files import canonical_json

PACKAGE = Path(__file__).resolve().parents[1]
#: files of a package that are no Python but decide what it writes
DATA_SUFFIXES = (".j2", ".css", ".cpp")
#: modules that decide nothing by themselves: the schema and the declarations of steps. What they say reaches a step as
#: values, in its settings file, its command and the names of its files.
UNWATCHED = re.compile(r"nas_steps\.config(\..*)?|nas_steps\.\w+\.steps")
#: fields of a syntax tree that no program depends on
HINTS = ("kind", "type_comment", "type_ignores")


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
    return {name: _module_hash(name)[:16] for name in sorted(transitive_imports(*modules))}


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
def _tree(name: str) -> ast.Module:
    return _parsed(name)


def _parsed(name: str) -> ast.Module:
    file = module_file(name)
    if file is None:
        raise ValueError(f"there is no module {name}")
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def _imports(name: str) -> frozenset[str]:
    parts = name.split(".")
    found = {".".join(parts[:length]) for length in range(1, len(parts))}  # importing a.b.c runs a and a.b first
    for node in ast.walk(_tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(child for child in found if module_file(child) is not None)


@cache
def _module_hash(name: str) -> str:
    tree = _parsed(name)  # its own copy, whose docstrings are taken out
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            node.body
            and isinstance(node.body[0], ast.Expr)
            and isinstance(node.body[0].value, ast.Constant)
            and isinstance(node.body[0].value.value, str)
        ):
            node.body = node.body[1:]
    found = hashlib.sha256(_spelled(tree).encode())
    file = module_file(name)
    if file is not None and file.name == "__init__.py":
        # a package brings its templates, style sheets and compiled code with it
        for data in sorted(file.parent.iterdir()):
            if data.suffix in DATA_SUFFIXES:
                found.update(data.read_bytes())
    return found.hexdigest()


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


def file_hash(file: Path) -> str:
    """The sha256 of a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
