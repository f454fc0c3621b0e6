"""Spell hand-designed mobile networks, fitted to small images, so that they can be scaled like any other."""

from __future__ import annotations

import math
from dataclasses import replace

from nas_steps.spaces.baselines import SMALL_IMAGE, load_family, parse_baseline
from nas_steps.spaces.mobile.architectures import MobileArchitecture

#: smallest side of a fitted network's last feature map
LAST_SIDE = 4


def halvings(side: int) -> int | None:
    """Return the number of strides that a network keeps for images of `side` pixels; None for all."""
    return None if side >= SMALL_IMAGE else max(0, int(math.log2(side / LAST_SIDE)))


def scalable(name: str, side: int) -> str:
    """Spell the baseline `name` with the strides that it has at `side` pixels; return the name of a ResNet.

    By its name alone, a baseline scaled to larger images would get other strides and be another network.
    """
    baseline = parse_baseline(name)
    spelled = load_family(name).spelled
    return name if spelled is None else str(fitted(spelled(baseline), halvings(side)))


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
