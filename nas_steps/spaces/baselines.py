"""The names of the hand-designed networks, spelled like torchvision's: `mobilenet_v2_x0.5` is half as wide,
`resnet20_d1.5` has half as many blocks again in each stage, `resnet20_x2_d1.5` is both."""

from __future__ import annotations

import re
from typing import NamedTuple

from nas_steps.errors import exact, known

#: what `nas_steps.models.baselines` can build
BASELINES = (
    "resnet20",
    "resnet32",
    "resnet56",
    "resnet18",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_b0",
)


#: those whose stages have no number of blocks to multiply
FIXED_DEPTH = ("mobilenet_v3_small", "mobilenet_v3_large")
WIDEST, DEEPEST = 8.0, 64.0
#: a factor, as `exact` spells it
NUMBER = r"\d+(?:\.\d+)?(?:e-\d+)?"


class Baseline(NamedTuple):
    """A hand-designed network, `width` times as wide and `depth` times as deep in each stage (blocks rounded up)."""

    base: str
    width: float = 1.0
    depth: float = 1.0

    def __str__(self) -> str:
        suffixes = (("x", self.width), ("d", self.depth))
        return "_".join([self.base, *(f"{letter}{exact(value)}" for letter, value in suffixes if value != 1)])


def to_be_fitted(name: str) -> str | None:
    """`mobilenet_v2` of `mobilenet_v2_auto`, whose width is to be chosen by a budget; None for other names.

    Raises ValueError where what is to be fitted is not known.
    """
    if not name.endswith("_auto"):
        return None
    return known("baseline", name.removesuffix("_auto"), BASELINES)


def parse_baseline(name: str) -> Baseline:
    """Split `mobilenet_v2_x0.5_d2` into ("mobilenet_v2", 0.5, 2.0); a factor is 1 where none is given.

    Raises ValueError for an unknown name, a width outside (0, 8] or a depth outside [1, 64].
    """
    match = re.fullmatch(rf"(?P<base>.+?)(?:_x(?P<width>{NUMBER}))?(?:_d(?P<depth>{NUMBER}))?", name)
    base = match["base"] if match else name
    width, depth = (float(match[part] or 1) if match else 1.0 for part in ("width", "depth"))
    if base not in BASELINES:
        known("baseline", base, BASELINES)
    if not 0 < width <= WIDEST:
        raise ValueError(f"baseline {name!r}: the width factor must be above 0 and at most {exact(WIDEST)}")
    if not 1 <= depth <= DEEPEST:
        raise ValueError(f"baseline {name!r}: the depth factor must be from 1 to {exact(DEEPEST)}")
    if depth > 1 and base in FIXED_DEPTH:
        raise ValueError(f"baseline {name!r}: {base} has no depth factor; those with one are the others")
    return Baseline(base, width, depth)
