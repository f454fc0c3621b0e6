"""Documents dealt out to train, valid and test by their bytes, and thinned; seeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nas_steps.data.splitting import shuffled


def deal_by_bytes(
    groups: Sequence[Sequence[int]], sizes: Sequence[int], shares: Mapping[str, float], seed: int
) -> dict[str, list[int]]:
    """Return sorted numbers of documents by part of `shares`; documents of a group stay together.

    In a random order, the groups lie on a line as long as their bytes, which is cut by the shares. A group is in the
    part in which its middle lies, so that no part has larger documents than another. Each part gets a group at least:
    raises ValueError if there are fewer groups than parts.
    """
    if len(groups) < len(shares):
        raise ValueError(f"{len(groups)} groups cannot be dealt out to {len(shares)} parts")
    order = shuffled(len(groups), seed)
    lengths = np.array([sum(sizes[one] for one in groups[number]) for number in order], np.float64)
    middles = np.cumsum(lengths) - lengths / 2
    cuts = np.cumsum(list(shares.values()))[:-1] * lengths.sum()
    places = np.searchsorted(cuts, middles, side="right")
    for part in range(len(shares)):
        if part not in places:  # a few large documents: the part with the most groups gives its smallest one
            rich = np.bincount(places, minlength=len(shares)).argmax()
            places[min(np.flatnonzero(places == rich), key=lambda place: lengths[place])] = part
    dealt: dict[str, list[int]] = {part: [] for part in shares}
    names = list(shares)
    for number, place in zip(order.tolist(), places.tolist(), strict=True):
        dealt[names[place]] += groups[number]
    return {part: sorted(chosen) for part, chosen in dealt.items()}


def thin(chosen: Sequence[int], sizes: Sequence[int], limit: int | None, seed: int) -> dict[int, int]:
    """Return the bytes to keep of documents `chosen`, `limit` in all: number -> bytes, in the order of `chosen`.

    Documents are drawn at random, without replacement. The last one drawn keeps its beginning.
    """
    if limit is None:
        return {one: sizes[one] for one in chosen}
    kept: dict[int, int] = {}
    left = limit
    for place in shuffled(len(chosen), seed).tolist():
        if left:
            one = chosen[place]
            kept[one] = min(left, sizes[one])
            left -= kept[one]
    return {one: kept[one] for one in chosen if one in kept}
