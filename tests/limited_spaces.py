"""Spaces, tables and limits that the tests of limits share."""

from __future__ import annotations

from random import Random

from nas_steps.config.space import Network
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import FLOAT_MB, Costs, CostTable, Shape
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.spaces.protocol import Space

SHAPE = Shape(inputs=3, side=33, classes=7)
SKELETON = Network(channels=4, cells=4)

#: 1,536 architectures, with every kind of choice
MOBILE = MobileSpace.declare(
    "little",
    {
        "stem": {"width": 8, "stride": 2, "activation": "relu"},
        "stages": [
            {"width": [8, 12], "depth": [1, 2], "stride": [1, 2], "kernel": [3, 5], "by": "stage"},
            {"width": [12], "depth": [1, 2], "stride": 2, "operations": ["id", "k3_e2", "k5_e2_se0.25"]},
            {"width": 8, "activation": ["relu", "hswish"], "squeeze": ["none", "hse0.25"], "expansion": [1, 2.5]},
        ],
        "head": {"width": 16, "hidden": 12},
    },
)
#: 48 architectures at three resolutions
RESOLUTIONS = MobileSpace.declare(
    "resolutions",
    {
        "stem": {"width": 8, "stride": 2, "activation": "relu", "padding": "same"},
        "stages": [
            {"width": [8, 12], "depth": [1, 2], "stride": 2},
            {"width": 12, "depth": [1, 2], "kernel": [3, 5], "by": "stage"},
        ],
        "head": {"width": 16},
        "resolution": [16, 25, 32],
    },
)
#: 81 architectures
CELLS = CellSpace("pairs", ("skip_connect", "max_pool_3x3", "nor_conv_1x1"), nodes=1, edges_per_node=None)
ONE_INPUT = CellSpace(
    "one input", ("none", "skip_connect", "nor_conv_3x3"), nodes=3, inputs=1, edges_per_node=None, none_is_choice=True
)
SPACES: dict[str, Space] = {"mobile": MOBILE, "resolutions": RESOLUTIONS, "cells": CELLS, "one input": ONE_INPUT}


def table(space: Space) -> CostTable:
    """Counted parameters, multiply-accumulates and activations, and latencies that are drawn: no function of others."""
    parts = blocks_of(space, SKELETON)
    random = Random(0)
    costs = {
        name: Costs(*parts.count(name, SHAPE), 0.1 + random.random(), FLOAT_MB * parts.peak(name, SHAPE))
        for name in parts.names()
    }
    return CostTable(parts, costs)
