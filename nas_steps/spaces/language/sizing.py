"""Hand-designed language models as baselines: their names, and the size that fits them to a budget.

`llama_d128_l4` has 4 layers of width 128. `llama` alone takes its size from a budget of multiply-accumulates or
parameters, at the aspect of the space: the width over the depth.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from nas_steps.errors import UserError, known
from nas_steps.spaces.language.architectures import Attention, LanguageArchitecture
from nas_steps.spaces.language.baselines import NAMES, baseline
from nas_steps.spaces.language.costs import Count, count_architecture
from nas_steps.spaces.language.space import LanguageSpace

#: a network this near to a budget is as good as the nearest
NEAR = 0.1
#: widths are multiples of this many times the heads: rotary angles need an even width of a head
STEP = 4
#: the widest network that is looked for, and how many times the space's largest depth the deepest
WIDEST, DEEPER = 16384, 2
_NAME = re.compile(r"(?P<base>.+?)_d(?P<width>\d+)_l(?P<depth>\d+)")


class Named(NamedTuple):
    """A baseline's name; `width` and `depth` are 0 if a budget is to say them."""

    base: str
    width: int = 0
    depth: int = 0

    @property
    def is_fitted(self) -> bool:
        return not self.width


def parse_named(name: str) -> Named:
    """Split `llama_d128_l4` into ("llama", 128, 4). Raises ValueError for an unknown name or a size of 0."""
    match = _NAME.fullmatch(name)
    found = Named(name) if match is None else Named(match["base"], int(match["width"]), int(match["depth"]))
    known("language model", found.base, NAMES)
    if match is not None and not (found.width and found.depth):
        raise ValueError(f"baseline {name!r}: width and depth must be 1 or more")
    return found


def is_named(name: str) -> bool:
    """Return whether a name is that of a hand-designed language model."""
    try:
        parse_named(name)
    except ValueError:
        return False
    return True


def sized(name: str, space: LanguageSpace, context: int) -> LanguageArchitecture:
    """Return the baseline of a name with a size, for the tokens of `space`. Raises ValueError."""
    found = parse_named(name)
    heads = heads_of(space)
    # rotary angles need an even width of a head
    return _made(found.base, found.depth, found.width, None if found.width % (2 * heads) else heads, space, context)


def fitted(
    base: str, space: LanguageSpace, context: int, *, macs: float | None = None, parameters: float | None = None
) -> LanguageArchitecture:
    """Return the baseline `base` that is nearest to the budget; of those within `NEAR`, the one of the space's aspect.

    `macs` are those of a sequence of `context` tokens. With both, the smaller network is taken. Raises UserError if
    even the narrowest network is above by more.
    """
    limits = [(1, macs), (0, parameters)]
    each = [_nearest(base, space, context, place, limit) for place, limit in limits if limit is not None]
    return min(each, key=lambda one: count_architecture(one, context)[1])


def check_within(
    name: str, architecture: LanguageArchitecture, context: int, macs: float | None, parameters: float | None
) -> None:
    """Raise UserError if the baseline `name`, which is this architecture, is above a budget; None is no limit."""
    counts = count_architecture(architecture, context)
    limits = (parameters, macs)
    if any(limit is not None and count > limit for count, limit in zip(counts, limits, strict=True)):
        words = ("parameters", "MACs")
        given = " and ".join(f"{limit:,.0f} {word}" for limit, word in zip(limits, words, strict=True) if limit)
        raise UserError(
            f"retrain.baselines: the budget is {given}, but {name} has {counts[1]:,} MACs and {counts[0]:,} "
            f"parameters; raise retrain.budget, or let the size be fitted by the name {parse_named(name).base}"
        )


def aspect_of(space: LanguageSpace) -> float:
    """Return the width over the depth, the geometric mean over the space's sizes."""
    sizes = space.choices.sizes
    return math.exp(math.fsum(math.log(size.width / size.depth) for size in sizes) / len(sizes))


def heads_of(space: LanguageSpace) -> int:
    """Return the number of heads that most of the space's mixers have; 1 if none attends."""
    counts = Counter(one.heads for one in space.choices.mixers if isinstance(one, Attention))
    return counts.most_common(1)[0][0] if counts else 1


def _nearest(base: str, space: LanguageSpace, context: int, place: int, limit: float) -> LanguageArchitecture:
    each = _of_each_depth(base, space, context, place, limit)
    found = [(abs(math.log(count[place] / limit)), one) for one, count in each]
    least = min(distance for distance, _ in found)
    smallest = min((count_architecture(one, context)[place] for _, one in found))
    if smallest > (1 + NEAR) * limit:
        what = ("parameters", "MACs")[place]
        raise UserError(
            f"retrain.baselines: {base} is to have {limit:,.0f} {what}, but even its narrowest network has "
            f"{smallest:,}; raise retrain.budget, or give it a size, as {base}_d64_l2"
        )
    aspect = math.log(aspect_of(space))
    close = [one for distance, one in found if distance <= max(least, NEAR)]
    return min(close, key=lambda one: abs(math.log(one.frame.width / one.depth) - aspect))


def _of_each_depth(
    base: str, space: LanguageSpace, context: int, place: int, limit: float
) -> Iterator[tuple[LanguageArchitecture, Count]]:
    """Yield for each depth the width that comes nearest to the limit, and what it counts."""
    heads = heads_of(space)
    step = STEP * heads
    for depth in range(1, DEEPER * max(space.choices.depths) + 1):

        def made(steps: int, depth: int = depth) -> LanguageArchitecture:
            return _made(base, depth, steps * step, heads, space, context)

        def counted(steps: int, made: Callable[[int], LanguageArchitecture] = made) -> int:
            return count_architecture(made(steps), context)[place]

        low, high = 1, max(1, WIDEST // step)
        while low < high:  # the widest within the limit
            middle = (low + high + 1) // 2
            low, high = (middle, high) if counted(middle) <= limit else (low, middle - 1)
        best = min((low, low + 1), key=lambda steps: abs(math.log(counted(steps) / limit)))
        yield made(best), count_architecture(made(best), context)


def _made(
    base: str, depth: int, width: int, heads: int | None, space: LanguageSpace, context: int
) -> LanguageArchitecture:
    return baseline(base, depth=depth, width=width, vocabulary=space.choices.vocabulary, heads=heads, positions=context)
