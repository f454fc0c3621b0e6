"""Hand-designed mobile networks in our spelling, fitted to small images, so that they can be scaled like any other."""

from __future__ import annotations

import dataclasses
import math

from nas_steps.spaces.baselines import SMALL_IMAGE, load_family, parse_baseline
from nas_steps.spaces.mobile.architectures import MobileArchitecture

#: side that the last feature map of a fitted network keeps at least
LAST_SIDE = 4


def halvings(side: int) -> int | None:
    """How many strides a network keeps for images of `side` pixels; None for all."""
    return None if side >= SMALL_IMAGE else max(0, int(math.log2(side / LAST_SIDE)))


def scalable(name: str, side: int) -> str:
    """What stands for the baseline `name` where it is scaled from images of `side` pixels.

    A baseline is fitted to its images by its strides; one that grew with its images would get other strides, and be
    another network. So a mobile one becomes its mobile string with the strides that it has at `side`. A ResNet stays.
    """
    baseline = parse_baseline(name)
    spelled = load_family(name).spelled
    return name if spelled is None else str(fitted(spelled(baseline), halvings(side)))


def fitted(architecture: MobileArchitecture, keep: int | None) -> MobileArchitecture:
    """The same with its last `keep` strides alone; with all of them where None."""
    strides = [architecture.stem.stride] + [block.stride for _, _, _, block in architecture.blocks()]
    excess = 0 if keep is None else max(0, strides.count(2) - keep)
    for place, stride in enumerate(strides):
        if stride == 2 and excess:
            strides[place], excess = 1, excess - 1
    rest = iter(strides[1:])
    stages = tuple(
        tuple(dataclasses.replace(block, stride=next(rest)) for block in stage) for stage in architecture.stages
    )
    stem = dataclasses.replace(architecture.stem, stride=strides[0])
    return MobileArchitecture(stem, stages, architecture.head)
