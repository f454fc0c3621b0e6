"""The further formats of `export.formats`, and the packages that make them. Imports no torch and none of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec

from nas_steps.errors import UserError


@dataclass(frozen=True)
class Format:
    """A format: the `suffixes` of its files, the `modules` that make and run it, the `packages` that bring these."""

    suffixes: tuple[str, ...]
    modules: tuple[str, ...]
    packages: tuple[str, ...]


#: each format is an extra of pyproject.toml, too
FORMATS = {
    "openvino": Format((".xml", ".bin"), ("openvino",), ("openvino",)),
    "litert": Format((".tflite",), ("litert_torch", "ai_edge_litert"), ("litert-torch", "ai-edge-litert")),
}


def packages_of(formats: Iterable[str]) -> tuple[str, ...]:
    """Return the packages whose versions shape these formats."""
    return tuple(package for name in formats for package in FORMATS[name].packages)


def check_installed(formats: Iterable[str]) -> None:
    """Raise UserError if a package of these formats is missing."""
    for name in formats:
        absent = [module for module in FORMATS[name].modules if find_spec(module) is None]
        if absent:
            raise UserError(
                f"export.formats has {name}, but {' and '.join(absent)} cannot be imported; "
                f"run `pip install -e '.[{name}]'`, or take {name} out"
            )
