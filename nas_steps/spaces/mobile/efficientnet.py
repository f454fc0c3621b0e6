"""EfficientNet-B0 to B7 as mobile architectures, and compound scaling (Tan & Le 2019)."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from nas_steps.spaces.mobile.architectures import MobileArchitecture


class Scaling(NamedTuple):
    """Factors of width and depth, side in pixels of the training images, dropout before the classifier."""

    width: float
    depth: float
    resolution: int
    dropout: float


#: from the paper's code, which does not follow the paper's formula (section 4, step 2) at phi = 0 to 7
PUBLISHED: dict[str, Scaling] = {
    "efficientnet_b0": Scaling(1.0, 1.0, 224, 0.2),
    "efficientnet_b1": Scaling(1.0, 1.1, 240, 0.2),
    "efficientnet_b2": Scaling(1.1, 1.2, 260, 0.3),
    "efficientnet_b3": Scaling(1.2, 1.4, 300, 0.3),
    "efficientnet_b4": Scaling(1.4, 1.8, 380, 0.4),
    "efficientnet_b5": Scaling(1.6, 2.2, 456, 0.4),
    "efficientnet_b6": Scaling(1.8, 2.6, 528, 0.5),
    "efficientnet_b7": Scaling(2.0, 3.1, 600, 0.5),
}

#: table 1 of the paper
B0 = (
    "stem_k3_s2_c32_silu/mb_k3_e1_c16_se0.25/mb_r2_k3_s2_e6_c24_se0.25/mb_r2_k5_s2_e6_c40_se0.25/"
    "mb_r3_k3_s2_e6_c80_se0.25/mb_r3_k5_e6_c112_se0.25/mb_r4_k5_s2_e6_c192_se0.25/mb_k3_e6_c320_se0.25/head_c1280_p0.2"
)

#: EfficientNet-Lite0 (Liu 2020, TensorFlow's code): B0 without squeeze-excitation, with ReLU6
LITE0 = (
    "stem_k3_s2_c32_eps0.001_relu6/mb_k3_e1_c16/mb_r2_k3_s2_e6_c24/mb_r2_k5_s2_e6_c40/mb_r3_k3_s2_e6_c80/"
    "mb_r3_k5_e6_c112/mb_r4_k5_s2_e6_c192/mb_k3_e6_c320/head_c1280_p0.2"
)
#: likewise
PUBLISHED_LITE: dict[str, Scaling] = {
    "efficientnet_lite0": Scaling(1.0, 1.0, 224, 0.2),
    "efficientnet_lite1": Scaling(1.0, 1.1, 240, 0.2),
    "efficientnet_lite2": Scaling(1.1, 1.2, 260, 0.3),
}

#: alpha, beta and gamma of EfficientNet (section 4)
PAPERS_TRIPLE = (1.2, 1.1, 1.15)


def triples(
    factors: str, depth: Sequence[float], width: Sequence[float], resolution: Sequence[float], tolerance: float
) -> list[tuple[float, float, float]]:
    """Return the grid's (alpha, beta, gamma) with alpha * beta^2 * gamma^2 near 2, or the `published` triple."""
    if factors == "published":
        return [PAPERS_TRIPLE]
    return [
        (alpha, beta, gamma)
        for alpha, beta, gamma in product(depth, width, resolution)
        if abs(alpha * beta**2 * gamma**2 / 2 - 1) <= tolerance + 1e-9
    ]


def scaled(architecture: MobileArchitecture, *, width: float, depth: float, divisor: int = 8) -> MobileArchitecture:
    """Multiply the channels by `width` and the layers of each stage by `depth`.

    As in the paper's code, channels are rounded to multiples of `divisor` (there 8) and layers are rounded up. Added
    layers repeat a stage's last. Squeeze-excitation and expansion stay shares.
    """

    def wider(channels: int) -> int:
        return round_channels(channels, width, divisor)

    stages = []
    for stage in architecture.stages:
        layers = round_layers(len(stage), depth)
        longer = (*stage, *[replace(stage[-1], stride=1)] * (layers - len(stage)))[:layers]
        stages.append(tuple(replace(block, width=wider(block.width)) for block in longer))
    stem, head = architecture.stem, architecture.head
    return MobileArchitecture(
        replace(stem, width=wider(stem.width)),
        tuple(stages),
        replace(head, width=wider(head.width), hidden=head.hidden and wider(head.hidden)),
    )


def scaled_lite(architecture: MobileArchitecture, *, width: float, depth: float) -> MobileArchitecture:
    """Scale as EfficientNet-Lite: the stem, the head and the number of layers of the first and last stage stay."""
    first, *between, last = scaled(architecture, width=width, depth=depth).stages
    first, last = first[: len(architecture.stages[0])], last[: len(architecture.stages[-1])]
    return replace(architecture, stages=(first, *between, last))


def round_channels(channels: int, factor: float, divisor: int = 8) -> int:
    """Multiply channels and round them to a multiple of `divisor`; the factor 1 changes nothing."""
    return channels if factor == 1 else multiple_of(divisor, channels * factor)


def multiple_of(divisor: int, channels: float) -> int:
    """Round to the nearest multiple, or to the next if that is under 90 % (Sandler et al. 2018, published code)."""
    found = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return found if found >= 0.9 * channels else found + divisor


def round_layers(layers: int, factor: float) -> int:
    """Return `factor * layers`, rounded up."""
    # 5 * 1.2 must give 6 despite the rounding error of floats
    return math.ceil(layers * factor - 1e-9)
