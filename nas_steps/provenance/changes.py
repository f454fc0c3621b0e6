"""Differences of settings, code and versions of packages."""

from collections.abc import Iterator, Mapping
from typing import Any

#: the value of a key that one side does not have
ABSENT = "(not there)"


def changed_values(old: Any, new: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Yield the places in which two JSON values differ, each with its old and its new value."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from changed_values(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))
    elif old != new:
        yield path, old, new


def changed_modules(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Return the names of the modules that changed, came or went."""
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


def changed_versions(old: str, new: str) -> list[str]:
    """Return `torch 2.8.0 -> 2.9.1` for each change between two texts of `describe_versions`."""
    before, after = (dict(part.split(" ", 1) for part in text.split(", ") if part) for text in (old, new))
    return [
        f"{package} {before.get(package, ABSENT)} -> {after.get(package, ABSENT)}"
        for package in sorted({*before, *after})
        if before.get(package) != after.get(package)
    ]
