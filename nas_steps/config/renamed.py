"""Keys that were renamed: their old names are read for one release, with a warning."""

from collections.abc import Mapping
from typing import Any

#: new name by old one; the last part alone differs
RENAMED = {
    "search.limits": "search.constraints",
    "search.estimator.halving.reduction": "search.estimator.halving.eta",
    "search.screen.of": "search.screen.proposals_per_evaluation",
}


def with_new_names(raw: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the config with new names for old keys, and these by old ones. Raises ValueError if a key has both."""
    config = dict(raw)
    read: dict[str, str] = {}
    for old, new in RENAMED.items():
        *path, last = old.split(".")
        section: Any = config
        for name in path:
            if not isinstance(section.get(name), Mapping):
                break
            section[name] = dict(section[name])
            section = section[name]
        else:
            name = new.rpartition(".")[2]
            if last in section and name in section:
                raise ValueError(f"{old}: it is called {new} now, and both are given; remove {old}")
            if last in section:
                section[name] = section.pop(last)
                read[old] = new
    return config, read


def in_old_names(line: str, read: Mapping[str, str]) -> str:
    """Name the key of a message as the user wrote it."""
    for old, new in read.items():
        if line.startswith((f"{new}.", f"{new}:")):
            return old + line[len(new) :]
    return line
