"""Versions of installed packages, asked without importing them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata

#: the packages whose versions shape what a training gives
TRAINS = ("torch", "torchvision")


def version(package: str) -> str | None:
    """Return the installed version; None without one, as on the head node of a cluster whose jobs use conda.

    Without its local part (`+cpu`, `+cu128`): that says which device it was built for, and devices do not count.
    """
    try:
        return metadata.version(package).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def describe_versions(packages: Iterable[str]) -> str:
    """`torch 2.9.1, torchvision 0.24.1`."""
    return ", ".join(f"{package} {version(package) or 'not installed'}" for package in packages)
