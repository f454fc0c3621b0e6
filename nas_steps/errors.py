"""The exception for errors that the user can mend, and the words for unknown names and for numbers."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Bad input, in words: the place, what was given, what is allowed, how to mend it.

    Every step prints it without a traceback and exits with status 1; the Snakefile turns it into one line.
    """


def known(what: str, name: str, names: Iterable[str]) -> str:
    """Return `name` if it is one of `names`; else raise ValueError with the nearest one and all of them."""
    names = list(names)
    if name in names:
        return name
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    raise ValueError(f"unknown {what} {name!r}{hint} known are: {', '.join(names)}")


def exact(number: float) -> str:
    """Return the shortest spelling that is read back as the same number; whole numbers without a point.

    It is for numbers on a command line or in a name, and for those that a message compares: rounded ones may look
    equal, or in the wrong order.
    """
    text = repr(number if isinstance(number, int) else float(number))
    return text.removesuffix(".0")
