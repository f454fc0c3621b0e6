"""Walk the schema: its keys, and what is allowed below each of them. Imports no torch."""

import types
import typing
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from nas_steps.config.schema import Config

#: the part of a path that the user names, such as a strategy
NAME = "<name>"


class Key(NamedTuple):
    """One key of the schema: its path, its field, and the section that declares it."""

    path: tuple[str, ...]
    field: FieldInfo
    section: type[BaseModel]


def keys(section: type[BaseModel] = Config, path: tuple[str, ...] = ()) -> Iterator[Key]:
    """Yield every key at or below `section`, before those inside it; a key of several kinds comes once for each."""
    for name, field in section.model_fields.items():
        yield Key((*path, name), field, section)
        for inner, one in sections(field.annotation):
            yield from keys(one, (*path, name, *inner))


def sections(annotation: Any) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    """Yield the sections that a field may hold, each with its path below the field: empty, or (NAME,).

    Those of a list have the path of the list."""
    for one in alternatives(annotation):
        if _is_section(one):
            yield (), one
        elif typing.get_origin(one) is list:
            yield from sections(typing.get_args(one)[0])
        elif typing.get_origin(one) is dict:
            yield from (((NAME, *path), section) for path, section in sections(typing.get_args(one)[1]))


def nearest_key(path: str) -> str:
    """Return the longest beginning of a dotted path that is a key: of `retrain.recipe.epochs.0`, all but the 0."""
    allowed: list[Any] = [Config]
    names: list[str] = []
    for name in path.split("."):
        allowed = below(allowed, name)
        if not allowed:
            break
        names.append(name)
    return ".".join(names)


def below(annotations: Iterable[Any], name: Any) -> list[Any]:
    """Return the annotations of the key `name` in a mapping that has one of `annotations`."""
    allowed: list[Any] = []
    for one in (one for annotation in annotations for one in alternatives(annotation)):
        if _is_section(one) and name in one.model_fields:
            allowed.append(one.model_fields[name].annotation)
        elif typing.get_origin(one) is dict:
            allowed.append(typing.get_args(one)[1])
    return allowed


def alternatives(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union without their limits; the annotation itself if it is no union."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        yield from alternatives(typing.get_args(annotation)[0])
    elif origin is types.UnionType or origin is typing.Union:
        for argument in typing.get_args(annotation):
            yield from alternatives(argument)
    else:
        yield annotation


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
