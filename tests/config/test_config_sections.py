"""The config is a schema and nothing else: what it lets through reaches a step as values."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import types
import typing
from collections.abc import Iterator
from types import ModuleType

from nas_steps import config
from nas_steps.config.section import Section
from nas_steps.provenance.fingerprint import module_file, transitive_imports
from nas_steps.workflow.steps import STEPS

MODULES = [importlib.import_module(f"nas_steps.config.{found.name}") for found in pkgutil.iter_modules(config.__path__)]


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
    assert {name for section in sections() for name in behaviour(section)} == set()


def is_type(value: object) -> bool:
    """Whether a value of the config is a section, or a type made of some."""
    if isinstance(value, type):
        return hasattr(value, "model_fields")
    return isinstance(value, types.UnionType) or typing.get_origin(value) is not None


def taken(module: str) -> Iterator[tuple[str, object]]:
    """What a module imports of the config, and what it uses of a module of the config that it imports."""
    file = module_file(module)
    assert file is not None
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


def run_by_steps() -> set[str]:
    """All modules that a step can run: those whose code decides whether it is stale."""
    kinds = [kind for step in STEPS.values() for kind in step.kinds]
    packages = {re.sub(r"\.[^.]*$", "", kind) for kind in kinds if kind.endswith("}")}
    loaded = [
        f"{package}.{found.name}"
        for package in packages
        for found in pkgutil.iter_modules(importlib.import_module(package).__path__)
    ]
    return transitive_imports(*(step.module for step in STEPS.values()), *loaded)


def test_steps_take_sections_of_the_config_and_nothing_else() -> None:
    modules = run_by_steps()
    assert len(modules) > 150
    found = {(module, name) for module in modules for name, value in taken(module) if not is_type(value)}
    assert found == set()
