"""The config is a schema and nothing else: what it lets through reaches a step as values."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Iterator
from types import ModuleType

from nas_steps import config
from nas_steps.config.section import Section
from nas_steps.provenance.fingerprint import PACKAGE

MODULES = [importlib.import_module(f"nas_steps.config.{found.name}") for found in pkgutil.iter_modules(config.__path__)]
#: what modules outside the config and the plan still take of it besides sections; empty it, module by module
STILL_TAKEN = {
    ("nas_steps.report.figures", "strategies.SUPERNET_KINDS"),
    ("nas_steps.report.gaps", "strategies.GRADIENT_KINDS"),
    ("nas_steps.report.page", "estimators.rungs"),
    ("nas_steps.report.results", "search.measured_latency"),
    ("nas_steps.report.search_tables", "strategies.SUPERNET_KINDS"),
    ("nas_steps.report.signals", "strategies.GRADIENT_KINDS"),
    ("nas_steps.report.signals", "strategies.SUPERNET_KINDS"),
    ("nas_steps.search.sampling", "strategies.check"),
}
#: what sections still do besides holding values
STILL_DONE = {
    "Network.check",
    *(f"{kind}.round_size" for kind in ("Population", "Predictor", "Random", "Reinforce")),
    *(f"{kind}.evaluations" for kind in ("Population", "Predictor", "Reinforce")),
    *(f"Space.{name}" for name in ("mobile", "declared", "cells", "_declared_mobile")),
}


def sections() -> list[type[Section]]:
    found = {one for module in MODULES for one in vars(module).values() if isinstance(one, type)}
    return sorted((one for one in found if issubclass(one, Section)), key=lambda one: one.__name__)


def behaviour(section: type[Section]) -> Iterator[str]:
    """The methods and properties of a section that validate nothing."""
    decorators = section.__pydantic_decorators__
    validators = {*decorators.field_validators, *decorators.model_validators}
    for name, value in vars(section).items():
        does = inspect.isroutine(value) or isinstance(value, property | classmethod | staticmethod)
        if does and name not in validators and not name.startswith(("__", "_abc_")):
            yield f"{section.__name__}.{name}"


def test_sections_hold_values_and_validate_them() -> None:
    assert len(sections()) > 30
    assert {name for section in sections() for name in behaviour(section)} == STILL_DONE


def is_type(value: object) -> bool:
    """Whether a value of the config is a section, or a type made of some."""
    if isinstance(value, type):
        return hasattr(value, "model_fields")
    return isinstance(value, types.UnionType) or typing.get_origin(value) is not None


def taken(module: str) -> Iterator[tuple[str, object]]:
    """What a module imports of the config, and what it uses of a module of the config that it imports."""
    file = PACKAGE.parent / f"{module.replace('.', '/')}.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    modules: dict[str, ModuleType] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(config.__name__):
            source = importlib.import_module(str(node.module))
            for alias in node.names:
                value = getattr(source, alias.name, None) or importlib.import_module(f"{node.module}.{alias.name}")
                if isinstance(value, ModuleType):
                    modules[alias.asname or alias.name] = value
                else:
                    yield f"{source.__name__}.{alias.name}", value
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            source = modules[node.value.id]
            yield f"{source.__name__}.{node.attr}", getattr(source, node.attr)


def test_steps_take_sections_of_the_config_and_nothing_else() -> None:
    found = set()
    for file in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
        if not module.startswith(("nas_steps.config.", "nas_steps.workflow.")):
            found |= {(module, name) for name, value in taken(module) if not is_type(value)}
    plain = {(module, name.removeprefix("nas_steps.config.")) for module, name in found}
    assert {one for one in plain if one[1] != "settings.read_settings"} == STILL_TAKEN
