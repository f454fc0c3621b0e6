"""What is made once a session, however it is asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Made = TypeVar("Made")


def once(make: Callable[Given, Made]) -> Callable[Given, Made]:
    """Keep what `make` returns for equal arguments.

    `functools.cache` takes `f()`, `f(default)` and `f(name=default)` for three calls, and would make a folder thrice.
    """
    signature, kept = inspect.signature(make), {}

    @wraps(make)
    def kept_or_made(*given: Given.args, **named: Given.kwargs) -> Made:
        bound = signature.bind(*given, **named)
        bound.apply_defaults()
        key = tuple(tuple(sorted(one.items())) if isinstance(one, dict) else one for one in bound.arguments.values())
        if key not in kept:
            kept[key] = make(*given, **named)
        return kept[key]

    return kept_or_made
