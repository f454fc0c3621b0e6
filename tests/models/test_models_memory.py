"""Memory that is foretold from blocks against what onnxruntime takes."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from benchmarks.memory import NETWORK, measured_mb
from nas_steps.models.blocks import whole
from nas_steps.spaces.cells import presets as cells
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import Shape, counted
from nas_steps.spaces.mobile.space import MobileSpace

SHAPE = Shape(3, 64, 10)
BATCH = 8

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is Linux's to tell")


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_activations_of_mobile_networks_are_foretold_within_a_tenth(activation: str) -> None:
    space = MobileSpace.declare(
        "wide",
        {
            "stem": {"width": 16, "stride": 2, "activation": activation},
            "stages": [
                {"width": 16, "expansion": [2, 6], "kernel": [3, 5]},
                {"width": 24, "stride": 2, "expansion": [2, 6]},
            ],
            "head": {"width": 32},
        },
    )
    blocks = blocks_of(space)
    table = counted(blocks, SHAPE, BATCH)
    for architecture in (space.smallest(), space.largest()):
        found = measured_mb(whole(blocks, architecture, SHAPE), BATCH, SHAPE.inputs, SHAPE.side)
        assert table.costs(architecture).activations_mb == pytest.approx(found, rel=0.1)


def test_those_of_cells_are_foretold_from_above() -> None:
    space = cells.PRESETS["small"]
    blocks = blocks_of(space, NETWORK)
    architecture = space.sample(Random(0))
    found = measured_mb(whole(blocks, architecture, SHAPE), BATCH, SHAPE.inputs, SHAPE.side)
    assert found <= counted(blocks, SHAPE, BATCH).costs(architecture).activations_mb < 2 * found
