"""The names of entries whose network random search chose, within all of its budget or a smaller one. Imports nothing.

Random search is compared with each strategy within that strategy's own cost. What it had found by then may be another
network than in the end: `random.2-0` is one of search seed 0, and `random-0` the winner of the whole search.
"""

import re

SLOT = re.compile(r"[A-Za-z0-9_]+\.(\d+)-\d+")


def slots(strategies: int) -> range:
    """Return the slots of smaller budgets, one for each searching strategy."""
    return range(2, strategies + 2)


def slot_entry(random: str, slot: int, seed: int | str) -> str:
    """Return an entry's name; slot 1 is the whole search."""
    return f"{random}-{seed}" if slot == 1 else f"{random}.{slot}-{seed}"


def slot_of(entry: str) -> int:
    """Return the slot of a random entry."""
    found = SLOT.fullmatch(entry)
    return 1 if found is None else int(found[1])
