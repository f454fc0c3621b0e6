"""Hand-designed mobile networks in our spelling, fitted to small images, so that they can be scaled like any other."""

from __future__ import annotations

import dataclasses
import math

from nas_steps.spaces.baselines import parse_baseline
from nas_steps.spaces.mobile.architectures import MobileArchitecture, parse_mobile
from nas_steps.spaces.mobile.efficientnet import B0, scaled

#: below this side a network's first strides are taken away
SMALL_IMAGE = 96
#: side that the last feature map of a fitted network keeps at least
LAST_SIDE = 4

#: those that have a spelling; MobileNetV2 is table 2 of Sandler et al. 2018
MOBILE = {
    "mobilenet_v2": (
        "stem_k3_s2_c32_relu6/mb_k3_e1_c16/mb_r2_k3_s2_e6_c24/mb_r3_k3_s2_e6_c32/mb_r4_k3_s2_e6_c64/mb_r3_k3_e6_c96/"
        "mb_r3_k3_s2_e6_c160/mb_k3_e6_c320/head_c1280_p0.2"
    ),
    "efficientnet_b0": B0,
}
#: those that have stages of blocks and no strides to fit
RESNETS = ("resnet20", "resnet32", "resnet56")


def halvings(side: int) -> int | None:
    """How many strides a network keeps for images of `side` pixels; None for all."""
    return None if side >= SMALL_IMAGE else max(0, int(math.log2(side / LAST_SIDE)))


def scalable(name: str, side: int) -> str:
    """What stands for the baseline `name` where it is scaled from images of `side` pixels.

    A baseline is fitted to its images by its strides; one that grew with its images would get other strides, and be
    another network. So a mobile one becomes its mobile string with the strides that it has at `side`. A ResNet stays.
    """
    base, width, depth = parse_baseline(name)
    if base not in MOBILE:
        return name
    found = scaled(parse_mobile(MOBILE[base]), width=width, depth=depth)
    if base == "mobilenet_v2" and width < 1:
        # as published: a narrow one keeps its last convolution
        found = dataclasses.replace(found, head=parse_mobile(MOBILE[base]).head)
    return str(fitted(found, halvings(side)))


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
