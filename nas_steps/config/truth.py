"""Refuse truth values for numbers, which pydantic takes (`epochs: yes` for 1), and numbers for truth values."""

import typing
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from nas_steps.config.walk import alternatives, below

Place = tuple[str | int, ...]


def misplaced(value: Any, annotations: Sequence[Any], place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Yield each place below `value` that holds a truth value for a number or the reverse, and why it is wrong.

    `annotations` are those that the schema allows in this place. Kinds do not matter: fields of one name have one type.
    """
    allowed = [one for annotation in annotations for one in alternatives(annotation)]
    if isinstance(value, dict):
        for key, item in value.items():
            yield from misplaced(item, below(allowed, key), (*place, key))
    elif isinstance(value, list):
        of_each = [typing.get_args(one)[0] for one in allowed if typing.get_origin(one) is list]
        for index, item in enumerate(value if of_each else ()):
            yield from misplaced(item, of_each, (*place, index))
    elif isinstance(value, bool):
        wanted = _wanted(allowed)
        if wanted and not any(map(_is_truth, allowed)):
            yield place, f"given {value!r}, but {wanted} is wanted (YAML reads yes, no, on and off as true and false)"
    elif (isinstance(value, int | float) or value in ("0", "1")) and _only_truth(allowed):
        yield place, f"given {value!r}; write true or false"


def _is_truth(one: Any) -> bool:
    if typing.get_origin(one) is Literal:
        return any(isinstance(choice, bool) for choice in typing.get_args(one))
    return one is bool


def _only_truth(allowed: Sequence[Any]) -> bool:
    return any(map(_is_truth, allowed)) and not any(one in (int, float, str) for one in allowed)


def _wanted(allowed: Sequence[Any]) -> str:
    """Name the plain values that are allowed; empty if any value is, or no plain one."""
    words: dict[str, None] = {}
    for one in allowed:
        if one in (int, float, str):
            words[{int: "a whole number", float: "a number", str: "a text in quotes"}[one]] = None
        elif typing.get_origin(one) is Literal:
            words |= dict.fromkeys(map(str, typing.get_args(one)))
    return " or ".join(words)
