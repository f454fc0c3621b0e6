"""Published cells, and the skeletons of DARTS that they are trained in, without torch.

The cells of NASNet-A (Zoph et al. 2018, figure 4) and AmoebaNet-A (Real et al. 2019, figure 2) are those that
quark0/darts spells in cnn/genotypes.py; DARTS_V1 and DARTS_V2 are found by Liu et al. 2019, first and second order.
"""

from typing import Any

from nas_steps.spaces.baselines import SMALL_IMAGE, Baseline, Family
from nas_steps.spaces.cells.architectures import Cell, CellArchitecture

SKIP, MAX, AVERAGE = "skip_connect", "max_pool_3x3", "avg_pool_3x3"
SEP_3, SEP_5, SEP_7 = "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7"

_V1_NORMAL: Cell = (((SEP_3, 1), (SEP_3, 0)), ((SKIP, 0), (SEP_3, 1)), ((SKIP, 0), (SEP_3, 1)), ((SEP_3, 0), (SKIP, 2)))
_V1_REDUCE: Cell = (((MAX, 0), (MAX, 1)), ((SKIP, 2), (MAX, 0)), ((MAX, 0), (SKIP, 2)), ((SKIP, 2), (AVERAGE, 0)))
_V2_NORMAL: Cell = (
    ((SEP_3, 0), (SEP_3, 1)),
    ((SEP_3, 0), (SEP_3, 1)),
    ((SEP_3, 1), (SKIP, 0)),
    ((SKIP, 0), ("dil_conv_3x3", 2)),
)
_V2_REDUCE: Cell = (((MAX, 0), (MAX, 1)), ((SKIP, 2), (MAX, 1)), ((MAX, 0), (SKIP, 2)), ((SKIP, 2), (MAX, 1)))
_NASNET_NORMAL: Cell = (
    ((SEP_5, 1), (SEP_3, 0)),
    ((SEP_5, 0), (SEP_3, 0)),
    ((AVERAGE, 1), (SKIP, 0)),
    ((AVERAGE, 0), (AVERAGE, 0)),
    ((SEP_3, 1), (SKIP, 1)),
)
_NASNET_REDUCE: Cell = (
    ((SEP_5, 1), (SEP_7, 0)),
    ((MAX, 1), (SEP_7, 0)),
    ((AVERAGE, 1), (SEP_5, 0)),
    ((SKIP, 3), (AVERAGE, 2)),
    ((SEP_3, 2), (MAX, 1)),
)
_AMOEBANET_NORMAL: Cell = (
    ((AVERAGE, 0), (MAX, 1)),
    ((SEP_3, 0), (SEP_5, 2)),
    ((SEP_3, 0), (AVERAGE, 3)),
    ((SEP_3, 1), (SKIP, 1)),
    ((SKIP, 0), (AVERAGE, 1)),
)
_AMOEBANET_REDUCE: Cell = (
    ((AVERAGE, 0), (SEP_3, 1)),
    ((MAX, 0), (SEP_7, 2)),
    ((SEP_7, 0), (AVERAGE, 1)),
    ((MAX, 0), (MAX, 1)),
    (("conv_7x1_1x7", 0), (SEP_3, 5)),
)

#: by name; `concat` counts the nodes from 0
ARCHITECTURES: dict[str, CellArchitecture] = {
    "darts_v1": CellArchitecture({"normal": _V1_NORMAL, "reduce": _V1_REDUCE}),
    "darts_v2": CellArchitecture({"normal": _V2_NORMAL, "reduce": _V2_REDUCE}),
    "nasnet_a": CellArchitecture({"normal": _NASNET_NORMAL, "reduce": _NASNET_REDUCE}, {"reduce": (2, 3, 4)}),
    "amoebanet_a": CellArchitecture(
        {"normal": _AMOEBANET_NORMAL, "reduce": _AMOEBANET_REDUCE}, {"normal": (2, 3, 4), "reduce": (1, 2, 4)}
    ),
}
#: multiply-accumulates with 10 classes at 32 pixels, and with 1,000 classes at 224 pixels
MACS = {
    "darts_v1": (500_987_520, 505_864_704),
    "darts_v2": (528_359_040, 529_911_552),
    "nasnet_a": (603_452_448, 604_031_616),
    "amoebanet_a": (488_931_552, 526_746_624),
}
#: the skeletons of DARTS (Liu et al. 2019, section 3.2 and appendix A.2.2), as keys of the section `network`
SMALL_SKELETON = {"channels": 36, "cells": 20, "stem_multiplier": 3, "stem": "cifar"}
LARGE_SKELETON = {"channels": 48, "cells": 14, "stem": "imagenet"}


def is_small(baseline: Baseline, side: int) -> bool:
    """Return whether a network has the skeleton for CIFAR; a side of its own counts as ImageNet's size."""
    return side < SMALL_IMAGE and not baseline.side


def skeleton(baseline: Baseline, side: int) -> dict[str, Any]:
    """Return the keys of `network` for images of `side` pixels; the factor of width multiplies the channels."""
    keys = SMALL_SKELETON if is_small(baseline, side) else LARGE_SKELETON
    return {**keys, "channels": max(2, round(keys["channels"] * baseline.width))}  # type: ignore[operator]


def stride(baseline: Baseline, side: int) -> int:
    """Return by what a network divides the side of its images."""
    return 4 if is_small(baseline, side) else 32


def macs(baseline: Baseline, side: int) -> float:
    """Estimate the multiply-accumulates for images of `side` pixels from those of the published sizes."""
    small = is_small(baseline, side)
    known, at = MACS[baseline.base][0 if small else 1], 32 if small else 224
    return known * (side / at) ** 2 * baseline.width**2


def family(*names: str) -> Family:
    """Return a family of these cells; no factor of depth, as the skeletons are given."""
    return Family(names, deepens=False, stride=stride, macs=macs)
