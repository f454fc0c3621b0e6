"""The exception for errors that the user can mend, and the words for unknown names and for numbers."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Bad input, in words: the place, what was given, what is allowed, how to mend it. Printed without a traceback."""


def known(what: str, name: str, names: Iterable[str]) -> str:
    """Return `name` if it is one of `names`; else raise ValueError with the nearest one and all of them."""
    names = list(names)
    if name in names:
        return name
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    raise ValueError(f"unknown {what} {name!r}{hint} known are: {', '.join(names)}")


def exact(number: float) -> str:
    """Return the shortest spelling that is read back as the same number; whole numbers without a point."""
    return repr(number if isinstance(number, int) else float(number)).removesuffix(".0")
