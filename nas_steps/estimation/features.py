"""What a surrogate sees of an architecture. Imports no numpy."""

import math
from typing import Any

from nas_steps.spaces.costs import CostTable
from nas_steps.spaces.mobile.architectures import MobileArchitecture
from nas_steps.spaces.protocol import Architecture


def features(costs: CostTable, architecture: Architecture) -> list[float]:
    """Return the encoding of the space, then log(1 + cost) of parameters and MACs, of each mobile stage and in total.

    The counts of stages hold what one-hot choices do not: how choices of a stage multiply.
    """
    space: Any = costs.blocks.space
    counts = _stages(costs, architecture) if isinstance(architecture, MobileArchitecture) else []
    total = costs.costs(architecture)
    counts += [total.parameters, total.macs]
    return [*space.encode(architecture), *map(math.log1p, counts)]


def _stages(costs: CostTable, architecture: MobileArchitecture) -> list[int]:
    """Count the parameters and the MACs of each stage."""
    names = iter(costs.blocks.of(architecture)[1:])  # without the stem
    counts = [0] * (2 * len(architecture.stages))
    for stage, _, width, block in architecture.blocks():
        if not block.is_identity(width):
            one = costs.block(next(names))
            counts[2 * stage] += one.parameters
            counts[2 * stage + 1] += one.macs
    return counts
