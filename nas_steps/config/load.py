"""Read a config; name each error in one line."""

import re
import sys
import typing
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from reprlib import Repr
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from nas_steps.config.checks import other_valid
from nas_steps.config.data import Data
from nas_steps.config.estimators import ESTIMATORS, Table
from nas_steps.config.renamed import in_old_names, with_new_names, with_numbers
from nas_steps.config.schema import Config
from nas_steps.config.search import measured_latency
from nas_steps.config.section import EXPERIMENT
from nas_steps.config.section import NAME as SIMPLE_NAME
from nas_steps.config.sizes import sized
from nas_steps.config.strategies import STRATEGIES
from nas_steps.config.text import TextData
from nas_steps.config.truth import Place, misplaced
from nas_steps.config.walk import NAME, alternatives, below, keys
from nas_steps.errors import UserError, exact
from nas_steps.provenance.regular import FOLDER, MISSING, irregular, text_of

#: sources whose `path` must exist before any job can run
READ_FROM_PATH = ("folder", "npz", "text")
#: how pydantic names the kinds of a union at the end of a location
UNION_MEMBER = re.compile(r"literal\[.*\]|constrained-\w+|int|float|str")
#: a whole number that YAML 1.1 reads to the base of 8
OCTAL = re.compile(r"[-+]?0[0-9_]+")
#: a document of more values than this, its aliases followed, is no config
MOST_VALUES = 100_000
#: keys whose value is a name or a path, which may look like a number
NAMES = ("experiment", "images", "path")
#: an unknown key that is known in more places than this is not looked for
MOST_PLACES = 3
#: words for pydantic's kinds of errors; names in braces are those of its context
WORDS = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number is expected"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number is expected"),
    "finite_number": "a finite number is expected",
    "string_type": "a text is expected",
    "string_too_long": "use {max_length} characters or fewer",
    **dict.fromkeys(("bool_type", "bool_parsing"), "write true or false"),
    "list_type": "a list is expected, such as [a, b]",
    "too_short": "give {min_length} or more",
    "too_long": "give {max_length} or fewer",
}
#: words for the patterns of names
PATTERNS = {
    EXPERIMENT: "use letters, digits, '_', '.' and '-', and begin with a letter or a digit",
    SIMPLE_NAME: "use letters, digits and '_', and begin with a letter or a digit",
}
#: shortens values in messages
_shown = Repr()
_shown.maxlevel, _shown.maxlist, _shown.maxdict, _shown.maxstring, _shown.maxother = 4, 20, 20, 200, 200


class _Loader(yaml.SafeLoader):
    """Loads one document; refuses what YAML would pass over or read in another sense."""

    def checked(self) -> Any:
        """Return the value of the document. Raises UserError that begins with the line."""
        node = self.get_single_node()
        if node is None:
            return None
        self._check(node, {}, set())
        return self.construct_document(node)

    def _check(self, node: yaml.Node, sizes: dict[int, int], above: set[int]) -> int:
        """Return the number of values in a node; an alias counts each time."""
        key = id(node)
        if key in above:
            raise UserError(f"{_line(node)}: an anchor holds itself, so that it has no end; write it out")
        if key in sizes:
            return sizes[key]
        if isinstance(node, yaml.ScalarNode):
            self._check_scalar(node)
            return 1
        pairs = [(None, item) for item in node.value] if isinstance(node, yaml.SequenceNode) else node.value
        size = 1
        for name, item in pairs:
            if name is not None:
                size += self._check(name, sizes, above | {key})
                if name.value in NAMES and isinstance(item, yaml.ScalarNode):
                    self._check_name(name.value, item)
            size += self._check(item, sizes, above | {key})
            if size > MOST_VALUES:
                raise UserError(f"{_line(item)}: its aliases expand to more than {MOST_VALUES:,} values; write it out")
        if isinstance(node, yaml.MappingNode):
            self._check_keys(node)
        sizes[key] = size
        return size

    def _check_scalar(self, node: yaml.ScalarNode) -> None:
        kind, text = node.tag.rpartition(":")[2], node.value
        if kind == "merge":
            return
        try:
            value = self.construct_object(node)
        except ValueError as error:  # a day that no calendar has, or a number of thousands of digits
            raise UserError(f"{_line(node)}: {_shown.repr(text)} is no {kind}: {error}") from None
        reads = f"{_line(node)}: YAML reads {text} as"
        if kind == "int" and OCTAL.fullmatch(text):
            meant = f'write {int(text)} or {value}, whichever is meant, or "{text}" for a text'
            raise UserError(f"{reads} the octal number {value}; {meant}")
        if kind in ("int", "float") and ":" in text:
            raise UserError(f'{reads} {value}, to the base of 60; write {value} for a number, or "{text}" for a text')

    def _check_name(self, key: str, node: yaml.ScalarNode) -> None:
        kind, text = node.tag.rpartition(":")[2], node.value
        if kind in ("int", "timestamp", "float", "bool") and str(value := self.construct_object(node)) != text:
            raise UserError(f'{_line(node)}: YAML reads {key}: {text} as {value!r}; put it in quotes: {key}: "{text}"')

    def _check_keys(self, node: yaml.MappingNode) -> None:
        """Refuse a key that is given twice, of which YAML keeps the later one."""
        seen = set()
        for name, _ in node.value:
            if name.tag == "tag:yaml.org,2002:merge":
                continue  # `<<: *anchor` may be overwritten: that is what it is for
            if not isinstance(name, yaml.ScalarNode):
                raise UserError(f"{_line(name)}: a key must be a name, not a list or a mapping")
            key = self.construct_object(name)
            if key in seen:
                raise UserError(f"{_line(name)}: the key {key!r} stands twice; keep one")
            seen.add(key)


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Return the mapping in a YAML file. Raises UserError if it is missing or is no YAML mapping."""
    path = Path(path)
    if (reason := irregular(path)) is not None:
        problem = f"there is no config file {path}" if reason == MISSING else f"the config file {path} {reason}"
        raise UserError(f"{problem}; name a YAML file, such as config/config.yaml")
    text = text_of(path)
    try:
        value = _Loader(text).checked()
    except UserError as error:
        raise UserError(f"{path}, {error}") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deeply to be a config") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {_reason(error, text)}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(f"{path} must hold keys and values, as `experiment: digits`; it holds {_shown.repr(value)}")
    return value


def _reason(error: yaml.YAMLError, text: str) -> str:
    """Say what is wrong with a YAML file, in one line that begins with the file's line."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"line {line}: the character {chr(error.character)!r} is not allowed"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        problem = " ".join(f"{error.context or ''} {error.problem or ''}".split())
        hint = "; indent by spaces, not by tabs" if "'\\t'" in problem else ""
        return f"line {error.problem_mark.line + 1}: {problem}{hint}"
    return " ".join(str(error).split())


def load(raw: Mapping[str, Any], origin: str = "config", *, warn: bool = True) -> Config:
    """Validate a config. Raises UserError with a line for each error. With `warn`, report old key names on stderr."""
    try:
        raw, renamed = with_new_names(sized(raw))
    except ValueError as error:
        raise UserError(f"{origin} is refused:\n  {error}") from None
    raw, numbers = with_numbers(raw)
    warnings = [
        f"{old} is called {new} now; the old name will not be read by the next release" for old, new in renamed.items()
    ]
    warnings += [
        f"{key} is a number now: {str(old).lower()} is read as {new}; the next release will refuse it"
        for key, (old, new) in numbers.items()
    ]
    for warning in warnings if warn else ():
        print(f"{origin}: {warning}", file=sys.stderr, flush=True)
    wrong = dict(misplaced(raw, [Config]))
    lines = [f"{'.'.join(map(str, place))}: {reason}" for place, reason in wrong.items()]
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        lines += _lines(error, list(wrong))
    if lines:
        lines = [in_old_names(line, renamed) for line in lines]
        raise UserError(f"{origin} is refused:\n" + "\n".join(f"  {line}" for line in lines)) from None
    data = config.data
    for name, valid in other_valid(config.search, data).items() if warn and isinstance(data, Data) else ():
        told = f"data.valid is {exact(data.valid)}, and the paper of search.strategies.{name} has {exact(valid)}"
        print(f"{origin}: {told}", file=sys.stderr, flush=True)
    if data.path is not None and data.source in READ_FROM_PATH:
        folder = data.source in ("folder", "text")
        what = "folder (or .zip)" if folder else "file"
        wanted = f"path of your {'text' if data.source == 'text' else 'images'}"
        _check_path("data.path", data.path, what, wanted, origin, folder=folder)
    estimator = config.search.estimator
    if isinstance(estimator, Table):
        _check_path("search.estimator.path", estimator.path, "file", "path of the benchmark's table", origin)
    latency = measured_latency(config.search)
    if latency is not None and latency.table is not None:
        wanted = "latency.csv that the kit of `python -m nas_steps.latency kit` wrote on the device"
        _check_path("search.constraints.latency.table", latency.table, "file", wanted, origin)
    return config


def _check_path(key: str, path: str, what: str, wanted: str, origin: str, *, folder: bool = False) -> None:
    """Raise UserError if nothing can be read at `path`."""
    reason = irregular(path, folder=folder)
    if reason is None:
        return
    # `--config images=007` arrives as 7
    zeros = "; zeros before a number are lost unless it is in quotes: --config 'images=\"007\"'" * path.isdigit()
    problem = f"there is no {what} {path!r}" if reason == MISSING else f"{path!r} {reason}"
    mend = "set data.source: folder to read it" if (key, reason) == ("data.path", FOLDER) else f"give the {wanted}"
    raise UserError(f"{origin} is refused:\n  {key}: {problem}; {mend}{zeros}")


def _lines(error: ValidationError, known: Sequence[Place] = ()) -> list[str]:
    """Return one line for each place, which names all kinds that the value might have been.

    Places that are `known` to be wrong, and those around them, are left out.
    """
    places: dict[tuple[Any, ...], list[Any]] = {}
    for problem in error.errors():
        location = problem["loc"]
        if location and UNION_MEMBER.fullmatch(str(location[-1])) is not None:
            location = location[:-1]
        place, _ = _config_place(location)
        if not any(list(one[: len(place)]) == place for one in known):
            places.setdefault(location, []).append(problem)
    lines = []
    for location, problems in places.items():
        first, *others = [_explain({**problem, "loc": location}) for problem in problems]
        # the place and the value are said once
        lines.append("; or ".join([first, *(re.split(r"given .*?[;,] ", line, maxsplit=1)[-1] for line in others)]))
    return lines


def _config_place(location: Sequence[Any]) -> tuple[list[Any], type[BaseModel] | None]:
    """Return a location of pydantic's as the config spells it, and the kind of section there.

    A discriminated union puts its tag behind the strategy's name, or behind the estimator.
    """
    place = [part for part in location if part not in ("[key]", "function-after")]
    if place[:1] == ["data"] and place[1:2] in (["images"], ["text"]):
        return [place[0], *place[2:]], TextData if place[1] == "text" else Data
    for above, kinds, index in ((["search", "strategies"], STRATEGIES, 3), (["search", "estimator"], ESTIMATORS, 2)):
        if place[:2] == above and len(place) > index and place[index] in kinds:
            return place, kinds[place.pop(index)]
    return place, None


def _explain(problem: Any) -> str:
    """Say `where: what was given, what is allowed, how to mend it` for an error of pydantic's."""
    location, tag = _config_place(problem["loc"])
    where = ".".join(map(str, location)) or "config"
    given, kind = problem["input"], problem["type"]
    if kind == "extra_forbidden":
        names = _names_at(location[:-1], tag)
        hint = _elsewhere(location) or _nearest(location[-1], names) or ";"
        return f"{where}: unknown key (given {_shown.repr(given)}){hint} allowed here: {', '.join(names)}"
    if kind == "value_error":
        return f"{where}: {problem['ctx']['error']!s}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        what, kinds = ("estimator", ESTIMATORS) if "estimator" in location[1:2] else ("strategy", STRATEGIES)
        wanted = given.get("kind") if isinstance(given, dict) else given
        hint = _nearest(wanted, kinds)
        return f"{where}.kind: there is no {what} {_shown.repr(wanted)}{hint} (known: {', '.join(kinds)})"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{where}: keys and values are expected here, given {_shown.repr(given)}"
    if kind == "literal_error":
        allowed = problem["ctx"]["expected"]
        options = [option.strip("' ") for option in allowed.replace(" or ", ", ").split(", ")]
        if where == "data.source":
            texts = typing.get_args(TextData.model_fields["source"].annotation)
            allowed, options = f"{allowed}, and for text {' or '.join(map(repr, texts))}", [*options, *texts]
        return f"{where}: given {_shown.repr(given)}, allowed is {allowed}{_nearest(given, options)}"
    message = WORDS.get(kind, problem["msg"][0].lower() + problem["msg"][1:])
    if kind == "string_pattern_mismatch":
        message = PATTERNS.get(problem["ctx"]["pattern"], message)
    for name, value in problem.get("ctx", {}).items():
        message = message.replace(f"{{{name}}}", exact(value) if isinstance(value, int | float) else str(value))
    if kind == "string_type" and isinstance(given, int | float):
        message += "; put it into quotes if it is a name"
    return f"{where}: given {_shown.repr(given)}; {message}"


def _nearest(given: Any, names: Iterable[str]) -> str:
    near = get_close_matches(str(given), names, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _elsewhere(location: Sequence[Any]) -> str:
    """Return where else the config has a key of this name; empty if nowhere, or in too many places to help."""
    same = {key.path for key in keys() if key.path[-1] == location[-1] and NAME not in key.path}
    inside = {path for path in same if path[: len(location) - 1] == tuple(location[:-1])}
    places = sorted(map(".".join, inside if len(location) > 1 and inside else same))
    return f"; did you mean {' or '.join(places)}?" if 0 < len(places) <= MOST_PLACES else ""


def _names_at(location: Sequence[Any], tag: type[BaseModel] | None) -> list[str]:
    """Return the keys allowed at a place of the config; `tag` is the kind of a strategy or estimator there."""
    allowed: list[Any] = [Config]
    for part in location:
        inside = [one for annotation in below(allowed, part) for one in alternatives(annotation)]
        allowed = [tag] if tag in inside else inside
    return list(dict.fromkeys(name for one in allowed for name in getattr(one, "model_fields", ())))
