"""EfficientNet-B0 to B7 as mobile architectures, and how one is made wider and deeper (Tan & Le 2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from nas_steps.spaces.mobile.architectures import Block, Head, MobileArchitecture, Stem


class Scaling(NamedTuple):
    """Factors of width and depth, side in pixels that the network was trained at, dropout before the classifier."""

    width: float
    depth: float
    resolution: int
    dropout: float


#: as published with the paper's code; it is not the paper's formula (section 4, step 2) at phi = 0 to 7
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


#: alpha, beta and gamma of EfficientNet (section 4)
PAPERS_TRIPLE = (1.2, 1.1, 1.15)


def triples(
    factors: str, depth: Sequence[float], width: Sequence[float], resolution: Sequence[float], tolerance: float
) -> list[tuple[float, float, float]]:
    """Return the (alpha, beta, gamma) of a grid with alpha * beta^2 * gamma^2 near 2, in the grid's order.

    If members go by the published `factors`, return the paper's triple alone.
    """
    if factors == "published":
        return [PAPERS_TRIPLE]
    return [
        (alpha, beta, gamma)
        for alpha in depth
        for beta in width
        for gamma in resolution
        if abs(alpha * beta**2 * gamma**2 / 2 - 1) <= tolerance + 1e-9
    ]


def scaled(architecture: MobileArchitecture, *, width: float, depth: float, divisor: int = 8) -> MobileArchitecture:
    """A network with `width` times the channels and `depth` times the layers of each stage.

    Channels are rounded to multiples of `divisor` (`round_channels`), layers up, as in the paper's code, whose divisor
    is 8; layers that are added repeat a stage's last. Squeeze-excitation and expansion stay shares.
    """

    def wider(channels: int) -> int:
        return round_channels(channels, width, divisor)

    stages = []
    for stage in architecture.stages:
        layers = round_layers(len(stage), depth)
        last = stage[-1]
        added = Block(last.width, 1, last.operation, last.activation)
        longer = (*stage, *[added] * max(0, layers - len(stage)))[:layers]
        stages.append(tuple(Block(wider(b.width), b.stride, b.operation, b.activation) for b in longer))
    stem, head = architecture.stem, architecture.head
    return MobileArchitecture(
        Stem(wider(stem.width), stem.kernel, stem.stride, stem.activation, stem.epsilon),
        tuple(stages),
        Head(wider(head.width), head.hidden and wider(head.hidden), head.dropout),
    )


def round_channels(channels: int, factor: float, divisor: int = 8) -> int:
    """The multiple of `divisor` that is nearest to `factor * channels`, or the next where that is less than 90 % of it
    (Sandler et al. 2018, published code).

    Channels stay as they are where the factor is 1.
    """
    if factor == 1:
        return channels
    wanted = channels * factor
    found = max(divisor, int(wanted + divisor / 2) // divisor * divisor)
    return found if found >= 0.9 * wanted else found + divisor


def round_layers(layers: int, factor: float) -> int:
    """`factor * layers`, rounded up."""
    # a hair is taken off first: 5 * 1.2 is 6, not 7
    return math.ceil(layers * factor - 1e-9)
