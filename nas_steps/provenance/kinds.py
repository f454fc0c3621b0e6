"""Load the one module that a `kind` of the config names, and no other of its package."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def of_kind(package: str, kind: str) -> ModuleType:
    """Import `<package>.<kind>`: `of_kind("nas_steps.search.samplers", "evolution")`.

    A step whose declaration names `<package>.{kind}` among its modules is stale if that module changes, and stays
    current if another kind is added or edited. So a package of kinds must not be imported in another way.
    """
    return import_module(f"{package}.{kind}")
