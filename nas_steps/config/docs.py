"""Write config/README.md from the schema: `python -m nas_steps.config.docs > config/README.md`."""

from __future__ import annotations

import json
import sys
import types
import typing
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from nas_steps.config.estimators import ESTIMATORS
from nas_steps.config.schema import Config
from nas_steps.config.section import Section
from nas_steps.config.strategies import STRATEGIES
from nas_steps.config.walk import sections
from nas_steps.errors import exact

HEAD = """# Every key of an experiment

This page is generated from the schema in `nas_steps/config/` by `make docs`; a test holds the two together.

An experiment is one YAML file; what it leaves out has the default below. Give it to Snakemake with
`snakemake --configfile config/FILE.yaml`; single keys can be set on the command line, for instance
`--config seed=3` or `--config 'retrain={seeds: 5}'`. Unknown keys, wrong types and impossible values are refused before
any job starts. A file stands alone: it is not laid over `config.yaml`. YAML reads `yes`, `no`, `on` and `off` as true
and false, which are no numbers. Where Snakemake only says that a file is not valid, `python -m nas_steps.why FILE`
names the line.

| file | what it searches |
|---|---|
| `config.yaml` | the default: handwritten digits, minutes on a laptop |
| `own_images.yaml` | a folder of your own images |
| `darts_family.yaml` | every differentiable strategy side by side on a part of CIFAR-10, half an hour on two cores |
| `nasbench201.yaml` | DARTS, DARTS+ and SDARTS-RS where the truth is known: NAS-Bench-201's space |
| `nasbench201_table.yaml` | sampling strategies compared in a table of NAS-Bench-201, where nothing is trained |
| `one_shot.yaml` | a supernet trained once and searched by several strategies: stages of MBConv blocks on CIFAR-10 |
| `factorial.yaml` | what is search and what is scaling: three bases scaled in five ways at matched MACs, on CIFAR-10 |
| `verdict_cifar10.yaml` | is searching worth it? Two strategies, three searches each, on a part of CIFAR-10 |
| `cifar10.yaml` | CIFAR-10 as in the DARTS paper, for a GPU |
"""


#: keys that can hold sections of several kinds: how they are told, what one is called, the kinds
KINDS: dict[str, tuple[str, str, dict[str, type[Section]]]] = {
    "search.strategies": ("strategies by name", "a strategy of kind", STRATEGIES),
    "search.estimator": ("keys of one kind", "the estimator", ESTIMATORS),
}


def page() -> str:
    """The whole of config/README.md."""
    parts = [HEAD]
    _section(Config, "", "The experiment", parts)
    return "\n".join(parts)


def _section(model: type[BaseModel], prefix: str, title: str, parts: list[str]) -> None:
    parts.append(f"## {title}\n")
    parts.append("| key | what it may be | default | meaning |\n|---|---|---|---|")
    inner: list[tuple[str, type[BaseModel], str]] = []
    for name, field in model.model_fields.items():
        kinds = KINDS.get(f"{prefix}{name}")
        section = None if kinds else next((one for _, one in sections(field.annotation)), None)
        kind = "keys below" if section else f"{kinds[0]}, below" if kinds else _kind(field)
        default = "" if section or kinds else f"`{_default(field)}`"
        parts.append(
            f"| `{prefix}{name}` | {kind} | {default} | {(field.description or '').replace('|', chr(92) + '|')} |"
        )
        if section:
            inner.append((f"{prefix}{name}.", section, f"`{prefix}{name}`"))
        elif kinds:
            # a strategy stands below its name, an estimator alone
            inner += [
                (
                    f"{prefix}{name}." + (f"{kind}." if name == "strategies" else ""),
                    one,
                    f"`{prefix}{name}`: {kinds[1]} `{kind}`",
                )
                for kind, one in kinds[2].items()
            ]
    parts.append("")
    for inner_prefix, section, inner_title in inner:
        _section(section, inner_prefix, inner_title, parts)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    return json.dumps(value, ensure_ascii=False)


def _kind(field: FieldInfo) -> str:
    words = _words(field.annotation)
    constraints = []
    pattern = None
    for limit in field.metadata:
        for sign, attribute in (("≥", "ge"), (">", "gt"), ("≤", "le"), ("<", "lt")):
            if (bound := getattr(limit, attribute, None)) is not None:
                constraints.append(f"{sign} {exact(bound)}")
        pattern = getattr(limit, "pattern", None) or pattern
    text = f"{words} {', '.join(constraints)}".strip()
    return text + (" of letters, digits, `_`, `.` and `-`" if pattern else "")


def _words(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in typing.get_args(annotation))
    if origin is typing.Annotated:
        base, *constraints = typing.get_args(annotation)
        return _kind_of_limits(base, constraints)
    if origin is types.UnionType or origin is typing.Union:
        return " or ".join(_words(argument) for argument in typing.get_args(annotation))
    if origin is list:
        return f"list of {_words(typing.get_args(annotation)[0])}"
    if origin is dict:
        return f"by name {_words(typing.get_args(annotation)[1])}"
    names = {int: "integer", float: "number", str: "text", bool: "true or false", type(None): "null"}
    return names.get(annotation, str(annotation))


def _kind_of_limits(base: Any, constraints: list[Any]) -> str:
    annotated: Any = typing.Annotated[(base, *constraints)]
    return _kind(FieldInfo.from_annotation(annotated))


if __name__ == "__main__":
    sys.stdout.buffer.write(page().encode())
