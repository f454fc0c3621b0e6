"""Documents that are the same or almost the same, found by sketches of their shingles (Broder 1997)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

#: bytes of a shingle, white space aside; hashes that a sketch keeps, the smallest ones
SHINGLE, KEPT = 32, 128
#: the share of all shingles of two documents that both have, from which on they count as almost the same
ALMOST = 0.5
#: bytes that are hashed at once
AT_ONCE = 2**20
_BASE, _MIXER = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9

Hashes = NDArray[np.uint64]


def sketch(content: bytes) -> Hashes:
    """Return the KEPT smallest hashes of the shingles of a document, uint64, sorted; fewer of a short one.

    White space does not count, so that another line width or line end changes nothing.
    """
    text = np.frombuffer(content.translate(None, b" \t\r\n\f\v"), np.uint8)
    kept = np.empty(0, np.uint64)
    for start in range(0, len(text) - SHINGLE + 1, AT_ONCE):
        hashes = _hashes(text[start : start + AT_ONCE + SHINGLE - 1])
        many = 8 * KEPT
        smallest = np.unique(np.partition(hashes, many)[:many] if len(hashes) > many else hashes)
        if len(smallest) < KEPT:  # the same few shingles again and again
            smallest = np.unique(hashes)
        kept = np.union1d(kept, smallest)[:KEPT]
    return kept


def resemblance(first: Hashes, second: Hashes) -> float:
    """Estimate the share of the shingles of two documents that both have, from their sketches."""
    union = np.union1d(first, second)[:KEPT]
    both = np.intersect1d(first, second, assume_unique=True)
    return len(np.intersect1d(union, both, assume_unique=True)) / max(1, len(union))


def groups_alike(sketches: Sequence[Hashes]) -> list[list[int]]:
    """Return all numbers of documents in sorted groups, in the order of their first ones.

    Two documents are in one group if they have ALMOST of their shingles in common, or are both like a third one.
    """
    leader = list(range(len(sketches)))

    def find(one: int) -> int:
        while leader[one] != one:
            leader[one] = leader[leader[one]]
            one = leader[one]
        return one

    for first, second in _candidates(sketches):
        if resemblance(sketches[first], sketches[second]) >= ALMOST:
            low, high = sorted((find(first), find(second)))
            leader[high] = low
    groups: dict[int, list[int]] = {}
    for one in range(len(sketches)):
        groups.setdefault(find(one), []).append(one)
    return list(groups.values())


def _candidates(sketches: Sequence[Hashes]) -> list[tuple[int, int]]:
    """Return pairs that share a quarter of the smaller sketch. A hash pairs its first document with the others."""
    sizes = np.array([len(one) for one in sketches], np.int64)
    if not sizes.sum():
        return []
    hashes = np.concatenate(list(sketches))
    owners = np.repeat(np.arange(len(sketches)), sizes)
    order = np.lexsort((owners, hashes))
    hashes, owners = hashes[order], owners[order]
    new = np.concatenate([[True], hashes[1:] != hashes[:-1]])
    firsts = owners[np.flatnonzero(new)][np.cumsum(new) - 1]
    pairs, counts = np.unique(np.stack([firsts[~new], owners[~new]], axis=1), axis=0, return_counts=True)
    enough = 4 * counts >= np.minimum(sizes[pairs[:, 0]], sizes[pairs[:, 1]])
    return [(int(first), int(second)) for first, second in pairs[enough]]


def _hashes(text: NDArray[np.uint8]) -> Hashes:
    """Return the hash of each shingle, by differences of the sums of a polynomial modulo 2**64."""
    powers, inverses = _powers()
    sums = np.cumsum(text * powers[: len(text)], dtype=np.uint64)
    found = sums[SHINGLE - 1 :].copy()
    found[1:] -= sums[:-SHINGLE]
    found *= inverses[: len(found)]
    # the low bits of a product depend on few bits
    found ^= found >> np.uint64(32)
    found *= np.uint64(_MIXER)
    found ^= found >> np.uint64(29)
    return found


@cache
def _powers() -> tuple[Hashes, Hashes]:
    """Return the powers of an odd number and of its inverse modulo 2**64."""
    count = AT_ONCE + SHINGLE
    both = []
    for base in (_BASE, pow(_BASE, -1, 2**64)):
        factors = np.full(count, base, np.uint64)
        factors[0] = 1
        both.append(np.cumprod(factors, dtype=np.uint64))
    return both[0], both[1]
