"""Keys whose name or kind of value changed: the old ones are read for one release, with a warning."""

from collections.abc import Mapping
from typing import Any

#: new name by old one; the last part alone differs
RENAMED = {
    "search.limits": "search.constraints",
    "search.estimator.halving.reduction": "search.estimator.halving.eta",
    "search.screen.of": "search.screen.proposals_per_evaluation",
}
#: what true and false are read as, of keys that are numbers now
NUMBERS = {"retrain.uniform": {True: 8, False: 0}}


def with_new_names(raw: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the config with new names for old keys, and these by old ones. Raises ValueError if a key has both."""
    config = dict(raw)
    read: dict[str, str] = {}
    for old, new in RENAMED.items():
        *path, last = old.split(".")
        name = new.rpartition(".")[2]
        section = _section(config, path)
        if last in section and name in section:
            raise ValueError(f"{old}: it is called {new} now, and both are given; remove {old}")
        if last in section:
            section[name] = section.pop(last)
            read[old] = new
    return config, read


def with_numbers(raw: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, tuple[bool, int]]]:
    """Return the config with numbers for old truth values, and by key the old and the new value."""
    config = dict(raw)
    read: dict[str, tuple[bool, int]] = {}
    for key, numbers in NUMBERS.items():
        *path, last = key.split(".")
        section = _section(config, path)
        value = section.get(last)
        if isinstance(value, bool):
            section[last] = numbers[value]
            read[key] = value, numbers[value]
    return config, read


def in_old_names(line: str, read: Mapping[str, str]) -> str:
    """Name the key of a message as the user wrote it."""
    for old, new in read.items():
        if line.startswith((f"{new}.", f"{new}:")):
            return old + line[len(new) :]
    return line


def _section(config: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """Return a section, a copy that may be edited, as those above it become; an empty one if it is not given."""
    section = config
    for name in path:
        if not isinstance(section.get(name), Mapping):
            return {}
        section[name] = dict(section[name])
        section = section[name]
    return section
