"""Write docs/reference/configuration.md from the schema: `python -m nas_steps.config.docs > FILE`."""

import json
import sys
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from nas_steps.config.estimators import ESTIMATORS
from nas_steps.config.paper import PAPERS
from nas_steps.config.recipe import Optimisation, Recipe
from nas_steps.config.schema import Config
from nas_steps.config.section import Augment, Jitter, ResizedCrop
from nas_steps.config.space import Network
from nas_steps.config.strategies import STRATEGIES, Gradient
from nas_steps.config.text import TextData
from nas_steps.config.walk import alternatives, sections
from nas_steps.errors import exact

HEAD = """# Every key of an experiment

This page is generated from the schema in `nas_steps/config/` by `make docs`; a test holds the two together.

An experiment is one YAML file. A key that it leaves out has the default below. A file stands alone: it is not laid over
`config.yaml`.

- `snakemake --configfile config/FILE.yaml` runs it.
- `--config seed=3` or `--config 'retrain={seeds: 5}'` sets single keys on the command line.
- Unknown keys, wrong types and impossible values are refused before any job starts. If Snakemake only says that a file
  is not valid, `python -m nas_steps.why FILE` names the line.
- YAML reads `yes`, `no`, `on` and `off` as true and false.

A section that several keys have, such as a recipe, is described once, at the end. The default of such a key shows what
differs from that description. A key with a row of its own is as that row says.

| file | what it searches |
|---|---|
| `config.yaml` | the default: handwritten digits, minutes on a laptop |
| `own_images.yaml` | a folder of your own images |
| `darts_family.yaml` | every differentiable strategy side by side on a part of CIFAR-10, half an hour on two cores |
| `nasbench201.yaml` | DARTS, DARTS+ and SDARTS-RS in NAS-Bench-201's space, whose truth is known |
| `nasbench201_table.yaml` | sampling strategies compared in a table of NAS-Bench-201; nothing is trained |
| `accel_nasbench.yaml` | strategies compared in a table of ImageNet figures and latencies that a surrogate completes |
| `ofa_subnets.yaml` | the same among once-for-all subnets, within a budget of MACs |
| `nasbench201_weight_sharing.yaml` | RSPS, DARTS, GDAS, SETN, ENAS against their published rows of NAS-Bench-201 |
| `one_shot.yaml` | a supernet trained once and searched by several strategies: stages of MBConv blocks on CIFAR-10 |
| `language.yaml` | language models at matched compute, against GPT-2's, Llama's, Primer's and nanoGPT's blocks |
| `language_h200.yaml` | the same on one large GPU, with rungs up to 6.4e15 FLOPs; it has run on no GPU yet |
| `factorial.yaml` | what is search and what is scaling: three bases scaled in five ways at matched MACs, on CIFAR-10 |
| `verdict_cifar10.yaml` | is searching worth it? Two strategies, three searches each, on a part of CIFAR-10 |
| `cifar10.yaml` | CIFAR-10 as in the DARTS paper, for a GPU |
"""

#: sections that several keys have, described once: what their keys are called
SHARED: dict[type[BaseModel], str] = {Gradient: "a differentiable strategy", Network: "a network"}
SHARED |= {Recipe: "a recipe", Augment: "an augmentation", ResizedCrop: "a resized crop", Jitter: "a jitter"}


def page() -> str:
    """Return the whole of docs/reference/configuration.md."""
    # the site's style sheet stacks the columns of these tables on a phone
    parts = [HEAD, '<div class="keys" markdown>\n', *_table("The experiment", _rows(Config, inside=False))]
    for name, field in Config.model_fields.items():
        for _, section in sections(field.annotation):
            title = f"`{name}` of text" if section is TextData else f"`{name}`"
            parts += _table(title, _rows(section, f"{name}."))
        if name == "search":
            parts += _table("Kinds of `search.estimator`", _kinds("search.estimator.", ESTIMATORS))
            parts += _table("Kinds of `search.strategies`", _kinds("search.strategies.{kind}.", STRATEGIES))
    for section, title in SHARED.items():
        parts += _table(f"Keys of {title}", _rows(section, "search.strategies.<name>." if section is Gradient else ""))
    return "\n".join([*parts, "</div>\n"])


def _table(title: str, rows: Iterable[str]) -> list[str]:
    return [f"## {title}\n", "| key | what it may be | default | meaning |\n|---|---|---|---|", *rows, ""]


def _kinds(prefix: str, kinds: Mapping[str, type[BaseModel]]) -> Iterator[str]:
    """Yield a row for each kind, followed by rows of its own keys."""
    for kind, section in kinds.items():
        meaning = " ".join(filter(None, (section.model_fields["kind"].description, _of_paper(kind, section))))
        yield f"| **`kind: {kind}`** | keys {_origin(section)} |  | {meaning} |"
        yield from _rows(section, prefix.format(kind=kind))


def _of_paper(kind: str, section: type[BaseModel]) -> str:
    """Say which defaults `paper: true` changes; empty for a kind without it."""
    if kind not in PAPERS:
        return ""
    paper = PAPERS[kind]
    fields = section.model_fields
    defaults = {name: fields[name].get_default(call_default_factory=True) for name in paper.keys}
    changed = {name: value for name, value in paper.keys.items() if not _is_default(value, defaults[name])}
    keys = json.dumps(changed).replace('"', "")
    network = f"The paper's supernet has {paper.network}"
    return f"`paper: true` is `{keys}` and wants `data.valid: {exact(paper.valid)}`. {network}. Source: {paper.source}."


def _is_default(value: Any, default: Any) -> bool:
    """Return whether a value is the default; of a section, whether the keys that it names are."""
    if isinstance(default, BaseModel):
        return all(getattr(default, name) == own for name, own in value.items())
    return bool(value == default)


def _rows(section: type[BaseModel], prefix: str = "", *, inside: bool = True) -> Iterator[str]:
    """Yield rows of a section's own keys, without `kind`, and of the keys `inside` them."""
    taken = _taken(section)
    for name, field in section.model_fields.items():
        if name == "kind" or name in taken:
            continue
        yield _row(f"{prefix}{name}", field)
        found = list(sections(field.annotation))
        if inside and len(found) == 1 and found[0][1] not in SHARED:
            (named, below), *_ = found
            yield from _rows(below, ".".join((f"{prefix}{name}", *named, "")))


def _row(key: str, field: FieldInfo) -> str:
    found = [one for _, one in sections(field.annotation)]
    several = "list of " if any(typing.get_origin(one) is list for one in alternatives(field.annotation)) else ""
    kind = f"{several}keys {_origin(*found)}" if found else _words(field.annotation, field.metadata)
    value = None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
    default = "required" if field.is_required() else _changed(value) if found else json.dumps(value)
    meaning = (field.description or "").replace("|", "\\|")
    return f"| `{key}` | {kind} | {default and f'`{default}`'} | {meaning} |"


def _model(section: type[BaseModel]) -> type[BaseModel] | None:
    """Return the shared section that `section` extends or is."""
    if issubclass(section, Optimisation):
        return Recipe
    return next((shared for shared in SHARED if issubclass(section, shared)), None)


def _taken(section: type[BaseModel]) -> list[str]:
    """Return the keys that `section` takes unchanged from a shared one."""
    model, own = _model(section), section.model_fields
    shared = {} if model is None or model is section else model.model_fields
    return [name for name, field in shared.items() if name in own and _row(name, own[name]) == _row(name, field)]


def _origin(section: type[BaseModel], *others: type[BaseModel]) -> str:
    """Say where the keys of a section are described: in the rows below, in a shared section, or in both."""
    model = _model(section)
    if others or model is None:
        return "of one kind, below" if others else "below"
    link = f"of [{SHARED[model]}](#keys-of-{SHARED[model].replace(' ', '-')})"
    if section is model:
        return link
    taken = _taken(section)
    if not model.model_fields.keys() <= section.model_fields.keys():
        link += f" ({', '.join(f'`{name}`' for name in taken)})"
    return link if {*taken, "kind"} >= section.model_fields.keys() else f"{link} and below"


def _changed(value: Any) -> str:
    """Spell a section by its differences from its class's defaults; empty if there are none."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {_changed(one) or {}}' for name, one in value.items())}}}"
    if not isinstance(value, BaseModel):
        return json.dumps(value)
    own = {name: field.get_default(call_default_factory=True) for name, field in type(value).model_fields.items()}
    changed = [f"{name}: {_changed(one)}" for name, one in value if one != own[name]]
    return f"{{{', '.join(changed)}}}" if changed else ""


def _words(annotation: Any, limits: Iterable[Any] = ()) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        more = [limit for one in arguments[1:] for limit in getattr(one, "metadata", [one])]
        return _words(arguments[0], [*limits, *more])
    if len(list(alternatives(annotation))) > 1:
        return " or ".join(_words(one, () if one is type(None) else limits) for one in arguments)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(value) if value is True else value}`" for value in arguments)
    if origin is list:
        return f"list of {_words(arguments[0])}"
    if origin is dict:
        return "keys and values" if arguments[1] is Any else f"by name ({_words(arguments[1])})"
    names = {int: "integer", float: "number", str: "text", bool: "true or false", type(None): "null"}
    return f"{names[annotation]} {', '.join(_limits(limits))}".strip()


def _limits(limits: Iterable[Any]) -> Iterator[str]:
    for limit in limits:
        for sign, attribute in (("≥", "ge"), (">", "gt"), ("≤", "le"), ("<", "lt")):
            if (bound := getattr(limit, attribute, None)) is not None:
                yield f"{sign} {exact(bound)}"
        if getattr(limit, "pattern", None):
            yield "of letters, digits, `_`, `.` and `-`"


if __name__ == "__main__":
    sys.stdout.buffer.write(page().encode())
