"""Made-up prose."""

import numpy as np

SYLLABLES = ["ka", "to", "mi", "ren", "sal", "vo", "qui", "ber", "ul", "ex", "ano", "fi"]


def prose(seed: int, size: int) -> bytes:
    """`size` bytes of made-up words in lines, others for each seed."""
    dice = np.random.default_rng(seed)
    words = ("".join(dice.choice(SYLLABLES, dice.integers(1, 5))) for _ in range(size // 2))
    lines = (" ".join(next(words, "o") for _ in range(8)) for _ in range(size // 16 + 1))
    return "\n".join(lines).encode()[:size]
