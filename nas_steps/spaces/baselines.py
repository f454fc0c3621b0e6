"""Hand-designed networks by torchvision's names and factors: `resnet20_x2_d1.5` is twice as wide, 1.5 times as deep.

Networks of ImageNet are fitted to small images: below 96 pixels they lose their first strides, so that maps of 4 pixels
or more are left. They are other networks then, with the same weights, and ImageNet's weights do not fit them.
`mobilenet_v2_r96` keeps all strides as published and first resizes its images to 96 x 96 pixels instead.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pkgutil import iter_modules
from typing import NamedTuple

from nas_steps.errors import exact, known
from nas_steps.provenance.kinds import of_kind
from nas_steps.spaces import families
from nas_steps.spaces.mobile.architectures import LIMITS, MobileArchitecture

#: side below which a network loses its first strides
SMALL_IMAGE = 96
#: by what networks of ImageNet divide the side of their images
IMAGENET_STRIDE = 32
#: smallest side of a fitted network's last feature map
LAST_SIDE = 4
WIDEST, DEEPEST = 8.0, 64.0
SMALLEST_SIDE, LARGEST_SIDE = map(int, LIMITS["i"])
#: a factor, as `exact` spells it
NUMBER = r"\d+(?:\.\d+)?(?:e-\d+)?"


class Baseline(NamedTuple):
    """A hand-designed network with factors of width and depth (each stage's blocks are rounded up).

    `side` is the side in pixels that images are first resized to, 0 for none; then all strides are kept.
    """

    base: str
    width: float = 1.0
    depth: float = 1.0
    side: int = 0

    def __str__(self) -> str:
        factors = [f"{letter}{exact(value)}" for letter, value in (("x", self.width), ("d", self.depth)) if value != 1]
        return "_".join([self.base, *factors, *([f"r{self.side}"] if self.side else [])])


@dataclass(frozen=True)
class Family:
    """The networks of a module here in `families`; `nas_steps.models.baselines` has one of the same name."""

    names: tuple[str, ...]
    #: whether the stages have a number of blocks to multiply
    deepens: bool = True
    #: networks that compound scaling may start from
    scalable: tuple[str, ...] = ()
    #: makes the mobile architecture with all its strides, for images of any side
    spelled: Callable[[Baseline], MobileArchitecture] | None = None
    #: returns the divisor of the images' side; without it and `spelled`, networks are fitted to all images
    stride: Callable[[Baseline, int], int] | None = None
    #: estimates the multiply-accumulates for images of a side
    macs: Callable[[Baseline, int], float] | None = None


def family_of(name: str) -> str | None:
    """Return the family of a baseline's name: `resnet` of `resnet20_x0.5`; None for other names."""
    return max((one.name for one in iter_modules(families.__path__) if name.startswith(one.name)), default=None)


def load_family(name: str) -> Family:
    """Load the family of a baseline's name, an empty one for other names."""
    family = family_of(name)
    return Family(()) if family is None else of_kind(families.__name__, family).FAMILY


def baseline_names() -> list[str]:
    """Name all hand-designed networks; this loads every family."""
    return [name for one in iter_modules(families.__path__) for name in load_family(one.name).names]


def scalable_names() -> list[str]:
    """Name the hand-designed networks that compound scaling may start from."""
    return [name for one in iter_modules(families.__path__) for name in load_family(one.name).scalable]


def to_be_fitted(name: str) -> str | None:
    """Return `mobilenet_v2` of `mobilenet_v2_auto` and `mobilenet_v2_r96` of `mobilenet_v2_r96_auto`, None for others.

    Raises ValueError for an unknown network, or one whose factors are given.
    """
    if not name.endswith("_auto"):
        return None
    base = name.removesuffix("_auto")
    baseline = parse_baseline(base)
    return base if (baseline.width, baseline.depth) == (1, 1) else _known(base)


def parse_baseline(name: str) -> Baseline:
    """Split `mobilenet_v2_x0.5_d2_r96` into ("mobilenet_v2", 0.5, 2.0, 96).

    Raises ValueError for an unknown name, a width outside (0, 8], a depth outside [1, 64] or a side outside [4, 1024]
    or below the network's strides.
    """
    match = re.fullmatch(
        rf"(?P<base>.+?)(?:_x(?P<width>{NUMBER}))?(?:_d(?P<depth>{NUMBER}))?(?:_r(?P<side>\d+))?", name
    )
    base = _known(match["base"] if match else name)
    width, depth = (float(match[part] or 1) if match else 1.0 for part in ("width", "depth"))
    if not 0 < width <= WIDEST:
        raise ValueError(f"baseline {name!r}: the width factor must be above 0 and at most {exact(WIDEST)}")
    if not 1 <= depth <= DEEPEST:
        raise ValueError(f"baseline {name!r}: the depth factor must be from 1 to {exact(DEEPEST)}")
    if depth > 1 and not load_family(base).deepens:
        raise ValueError(f"baseline {name!r}: {base} has no depth factor; those with one are the others")
    baseline = Baseline(base, width, depth)
    if match and match["side"] is not None:
        baseline = baseline._replace(side=int(match["side"]))
        least = max(SMALLEST_SIDE, stride_of(baseline, baseline.side))
        if not least <= baseline.side <= LARGEST_SIDE:
            of = f"{LARGEST_SIDE}; the strides divide it" if least > SMALLEST_SIDE else f"{LARGEST_SIDE}"
            raise ValueError(f"baseline {name!r}: the side must be from {least} to {of}")
    return baseline


def stride_of(baseline: Baseline, side: int) -> int:
    """Return by what a network divides the side of images of `side` pixels; 1 if it is fitted to any images."""
    family = load_family(baseline.base)
    if family.spelled is not None:
        return fitted(family.spelled(baseline), strides_kept(baseline, side)).stride
    return 1 if family.stride is None else family.stride(baseline, side)


def side_of(name: str, side: int) -> int:
    """Return the side in pixels that a baseline's first layer sees of images of `side` pixels."""
    return parse_baseline(name).side or side


def _known(base: str) -> str:
    return base if base in load_family(base).names else known("baseline", base, baseline_names())


def halvings(side: int) -> int | None:
    """Return the number of strides that are left for images of `side` pixels; None for all."""
    return None if side >= SMALL_IMAGE else max(0, int(math.log2(side / LAST_SIDE)))


def strides_kept(baseline: Baseline, side: int) -> int | None:
    """Return the number of strides that a network keeps for images of `side` pixels; None for all."""
    return None if baseline.side else halvings(side)


def scalable(name: str, side: int) -> str:
    """Spell the baseline `name` with the strides that it has at `side` pixels; return the name of a ResNet.

    By its name alone, a baseline scaled to larger images would get other strides and be another network.
    """
    baseline = parse_baseline(name)
    spelled = load_family(name).spelled
    if spelled is None:
        return name
    found = fitted(spelled(baseline), strides_kept(baseline, side))
    return str(replace(found, stem=replace(found.stem, side=baseline.side)))


def fitted(architecture: MobileArchitecture, keep: int | None) -> MobileArchitecture:
    """Keep only the last `keep` strides; all of them for None."""
    strides = [architecture.stem.stride] + [block.stride for _, _, _, block in architecture.blocks()]
    excess = 0 if keep is None else max(0, strides.count(2) - keep)
    for place, stride in enumerate(strides):
        if stride == 2 and excess:
            strides[place], excess = 1, excess - 1
    rest = iter(strides[1:])
    stages = tuple(tuple(replace(block, stride=next(rest)) for block in stage) for stage in architecture.stages)
    return replace(architecture, stem=replace(architecture.stem, stride=strides[0]), stages=stages)
