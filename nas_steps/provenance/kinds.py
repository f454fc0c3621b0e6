"""Load the module of a `kind` of the config, and no other of its package."""

from importlib import import_module
from types import ModuleType


def of_kind(package: str, kind: str) -> ModuleType:
    """Import `<package>.<kind>`: `of_kind('nas_steps.search.samplers', 'evolution')`.

    A change of that module makes a step stale that declares `<package>.{kind}`; a change of another kind does not. So
    import a package of kinds in no other way.
    """
    return import_module(f"{package}.{kind}")
