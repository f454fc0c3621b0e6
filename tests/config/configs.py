"""Configs that tests write down, and what is said of one that is refused."""

from __future__ import annotations

from typing import Any

import pytest

from nas_steps.config.load import load
from nas_steps.errors import UserError


def refused(raw: dict[str, Any]) -> list[str]:
    """The lines that tell what is wrong."""
    with pytest.raises(UserError) as error:
        load(raw, "my.yaml")
    head, *lines = str(error.value).splitlines()
    assert head == "my.yaml is refused:"
    assert all(line.startswith("  ") for line in lines)
    return [line.strip() for line in lines]


def mobile(**given: Any) -> dict[str, Any]:
    """A config of a mobile space, and what is given besides."""
    search = {"strategies": {"random": {}, "evolution": {}}, **given.pop("search", {})}
    return {"search": search, "space": {"preset": "mobile_small", **given.pop("space", {})}, **given}


def strategies(**given: Any) -> dict[str, Any]:
    return {"search": {"strategies": {"random": {"evaluations": 4}, **given}}}
