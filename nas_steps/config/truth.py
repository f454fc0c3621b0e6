"""True and false are no numbers, though pydantic takes `epochs: yes` for 1; and numbers are neither true nor false."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel

Place = tuple[str | int, ...]


def misplaced(value: Any, annotations: Sequence[Any], place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Each place below `value` where one stands for the other, with what is wrong there.

    `annotations` are those that a config allows in this place: a section, or what is in one of its fields.
    """
    allowed = [one for annotation in annotations for one in _alternatives(annotation)]
    if isinstance(value, dict):
        sections = [one for one in allowed if isinstance(one, type) and issubclass(one, BaseModel)]
        by_name = [typing.get_args(one)[1] for one in allowed if typing.get_origin(one) is dict]
        for key, item in value.items():
            # which kind of strategy or estimator it is does not matter: fields of one name hold values of one type
            fields = [one.model_fields[key].annotation for one in sections if key in one.model_fields]
            yield from misplaced(item, [*fields, *by_name], (*place, key))
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


def _alternatives(annotation: Any) -> Iterator[Any]:
    """The members of a union, limits aside; the annotation itself where it is none."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(typing.get_args(annotation)[0])
    elif origin is types.UnionType or origin is typing.Union:
        for argument in typing.get_args(annotation):
            yield from _alternatives(argument)
    else:
        yield annotation


def _is_truth(one: Any) -> bool:
    """Whether true or false may stand there."""
    if typing.get_origin(one) is Literal:
        return any(isinstance(choice, bool) for choice in typing.get_args(one))
    return one is bool


def _only_truth(allowed: Sequence[Any]) -> bool:
    """Whether true or false may stand there, and no other plain value."""
    return any(map(_is_truth, allowed)) and not any(one in (int, float, str) for one in allowed)


def _wanted(allowed: Sequence[Any]) -> str:
    """In words, which plain value may stand there; empty where anything may, or none."""
    found: dict[str, None] = {}
    for one in allowed:
        if one in (int, float, str):
            found[{int: "a whole number", float: "a number", str: "a text in quotes"}[one]] = None
        elif typing.get_origin(one) is Literal:
            found |= dict.fromkeys(map(str, typing.get_args(one)))
    return " or ".join(found)
