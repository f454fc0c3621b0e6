"""How depth, width and resolution grow together. Pure arithmetic, imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nas_steps.config.space import Network

#: rounded channels are never below this share of the exact ones (Sandler et al. 2018, published code)
FEWEST_CHANNELS = 0.9


@dataclass(frozen=True)
class Factors:
    """What depth, width and resolution are multiplied by when phi is 1: alpha, beta, gamma."""

    depth: float
    width: float
    resolution: float

    @property
    def product(self) -> float:
        """alpha * beta^2 * gamma^2: by how much the MACs grow, before rounding."""
        return self.depth * self.width**2 * self.resolution**2

    def power(self, phi: float) -> Factors:
        """The factors of member `phi`."""
        return Factors(self.depth**phi, self.width**phi, self.resolution**phi)


@dataclass(frozen=True)
class Member:
    """A scaled skeleton: how many cells of how many channels on images of which side."""

    network: Network
    side: int


def scale(network: Network, side: int, factors: Factors, divisor: int) -> Member:
    """Scale a skeleton. Cells are rounded up, channels to a multiple of `divisor`, the side to whole pixels.

    Factors of exactly 1 change nothing, also where the base is no multiple of `divisor`.
    """
    channels = network.channels
    if factors.width != 1:
        exact = channels * factors.width
        channels = max(divisor, int(exact + divisor / 2) // divisor * divisor)
        if channels < FEWEST_CHANNELS * exact:
            channels += divisor
    # a hair is taken off before rounding up: 5 * 1.2 is 6, not 7
    cells = math.ceil(network.cells * factors.depth - 1e-9)
    # declared reductions stay where they are in proportion
    reductions = network.reductions and [place * cells // network.cells for place in network.reductions]
    changes = {"cells": cells, "channels": channels, "reductions": reductions}
    return Member(network.model_copy(update=changes), round(side * factors.resolution))
