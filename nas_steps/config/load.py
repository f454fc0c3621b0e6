"""Read a config and say in one line a key what is wrong with it."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from nas_steps.config.estimators import ESTIMATORS, Table
from nas_steps.config.schema import Config
from nas_steps.config.strategies import STRATEGIES
from nas_steps.errors import UserError

#: sources whose `path` must exist before any job can run
READ_FROM_PATH = ("folder", "npz")
#: how pydantic names the kinds of a union at the end of a location
UNION_MEMBER = re.compile(r"literal\[.*\]|constrained-\w+|int|float|str")


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets a later key overwrite an earlier one in silence; here that is an error."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: list[Any] = []
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue  # `<<: *anchor` may be overwritten: that is what it is for
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise UserError(f"line {key_node.start_mark.line + 1}: the key {key!r} stands twice; keep one")
        seen.append(key)
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=deep)


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises UserError where it is missing or is no YAML mapping."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no config file {path}")
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except UserError as error:
        raise UserError(f"{path}, {error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(f"{path} must hold keys and values, such as `experiment: digits`; it holds {value!r}")
    return value


def load(raw: Mapping[str, Any], origin: str = "config") -> Config:
    """Validate a config. Raises UserError with one line for each thing that is wrong, none left for later."""
    try:
        config = Config.model_validate(dict(raw))
    except ValidationError as error:
        lines = _lines(error)
        raise UserError(f"{origin} is refused:\n" + "\n".join(f"  {line}" for line in lines)) from None
    path = config.data.path
    if path is not None and config.data.source in READ_FROM_PATH and not Path(path).exists():
        what = "folder (or .zip)" if config.data.source == "folder" else "file"
        raise UserError(f"{origin} is refused:\n  data.path: there is no {what} {path!r}; give the path of your images")
    estimator = config.search.estimator
    if isinstance(estimator, Table) and not Path(estimator.path).is_file():
        raise UserError(
            f"{origin} is refused:\n  search.estimator.path: there is no file {estimator.path!r}; give the path of the "
            "benchmark's table"
        )
    return config


def load_file(path: str | Path) -> Config:
    """Read and validate one YAML file."""
    return load(read_yaml(path), str(path))


def _lines(error: ValidationError) -> list[str]:
    """One line for each place. A value that fits none of several kinds is one mistake, told with all of them."""
    places: dict[tuple[Any, ...], list[Any]] = {}
    for problem in error.errors():
        location = problem["loc"]
        of_union = bool(location) and UNION_MEMBER.fullmatch(str(location[-1])) is not None
        places.setdefault(location[:-1] if of_union else location, []).append(problem)
    lines = []
    for location, problems in places.items():
        told = [_explain({**problem, "loc": location}) for problem in problems]
        first, *others = told
        lines.append("; or ".join([first, *(line.split("; ", 1)[-1] for line in others)]))
    return lines


def _explain(problem: Any) -> str:
    """`where: what was given, what is allowed, how to mend it` for one of pydantic's errors."""
    location = [part for part in problem["loc"] if part not in ("[key]", "function-after")]
    # a discriminated union puts its tag behind the strategy's name, or behind the estimator
    tag: type[BaseModel] | None = None
    estimates = location[:2] == ["search", "estimator"]
    if len(location) > 3 and location[:2] == ["search", "strategies"] and location[3] in STRATEGIES:
        tag = STRATEGIES[location.pop(3)]
    elif len(location) > 2 and estimates and location[2] in ESTIMATORS:
        tag = ESTIMATORS[location.pop(2)]
    where = ".".join(map(str, location)) or "config"
    given = problem["input"]
    kind = problem["type"]
    if kind == "extra_forbidden":
        names = _names_at(location[:-1], tag)
        near = get_close_matches(str(location[-1]), names, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        return f"{where}: unknown key (given {given!r}){hint} allowed here: {', '.join(names)}"
    if kind == "value_error":
        return f"{where}: {problem['ctx']['error']!s}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        names = list(ESTIMATORS if estimates else STRATEGIES)
        what = "estimator" if estimates else "strategy"
        tag_given = given.get("kind") if isinstance(given, dict) else given
        near = get_close_matches(str(tag_given), names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{where}.kind: there is no {what} {tag_given!r}{hint} (known: {', '.join(names)})"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{where}: keys and values are expected here, given {given!r}"
    if kind == "literal_error":
        allowed = problem["ctx"]["expected"]
        options = [option.strip("' ") for option in allowed.replace(" or ", ", ").split(", ")]
        near = get_close_matches(str(given), options, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{where}: given {given!r}, allowed is {allowed}{hint}"
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{where}: given {given!r}; {message}"


def _names_at(location: list[Any], tag: type[BaseModel] | None) -> list[str]:
    """The keys that are allowed at a place of the config; `tag` is which of several kinds it is, where there are."""
    model: type[BaseModel] = Config
    for part in location:
        if part == "estimator" and tag is not None:
            model = tag
        elif isinstance(part, str) and part in model.model_fields:
            inner = section_type(model.model_fields[part].annotation)
            if inner is not None:
                model = inner
        elif tag is not None:
            model = tag
    return list(model.model_fields)


def section_type(annotation: Any) -> type[BaseModel] | None:
    """The config section in an annotation, or None where it is a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) in (
        typing.Union,
        typing.Annotated,
    ):
        for argument in typing.get_args(annotation):
            if (found := section_type(argument)) is not None:
                return found
    return None
