"""Versions of installed packages, without importing them."""

from collections.abc import Iterable
from importlib import metadata

#: the packages whose versions shape the numbers of a training
TRAINS = ("torch", "torchvision")


def version(package: str) -> str | None:
    """Return the installed version without its local part (`+cpu`), which names a device; None if there is none."""
    try:
        return metadata.version(package).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def describe_versions(packages: Iterable[str]) -> str:
    """Return `torch 2.9.1, torchvision 0.24.1`."""
    return ", ".join(f"{package} {version(package) or 'not installed'}" for package in packages)
