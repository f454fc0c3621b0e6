"""How depth, width and resolution grow together. Pure arithmetic, imports no torch.

What is scaled is a design: cells in a skeleton, a mobile architecture, or a hand-designed network by its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.spaces.baselines import parse_baseline
from nas_steps.spaces.cells.architectures import parse_architecture
from nas_steps.spaces.mobile.architectures import Head, MobileArchitecture, is_mobile, parse_mobile
from nas_steps.spaces.mobile.efficientnet import round_channels, round_layers, scaled

#: what channels are rounded to a multiple of, where the config says nothing: as published for mobile networks
MOBILE_DIVISOR, CELL_DIVISOR = 8, 4
#: dropout never gets above this
MOST_DROPOUT = 0.9
#: how far a factor is looked for, when its two bounds are taken for one, and how near to its target is near enough
FARTHEST, SAME, NEAR = 64.0, 1.001, 0.002


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
class Design:
    """A network before it is built: its string, the skeleton of its cells, the side of its images in pixels.

    The skeleton counts where the string is of cells, and is carried along otherwise.
    """

    architecture: str
    network: Network
    side: int

    @property
    def family(self) -> str:
        """`mobile`, `baseline` or `cells`."""
        if is_mobile(self.architecture):
            return "mobile"
        try:
            parse_baseline(self.architecture)
        except ValueError:
            return "cells"
        return "baseline"

    @property
    def stride(self) -> int:
        """By what the network divides the side; 1 for a hand-designed one, which is fitted to its images."""
        if self.family == "mobile":
            return parse_mobile(self.architecture).stride
        if self.family == "baseline":
            return 1
        network = self.network
        if network.reductions is not None and parse_architecture(self.architecture).inputs == 2:
            return 1 << len(network.reductions)
        return 4

    @property
    def dropout(self) -> float | None:
        """Before the classifier; None where the network has no such layer of its own."""
        return parse_mobile(self.architecture).head.dropout if self.family == "mobile" else None

    def with_dropout(self, probability: float) -> Design:
        """The same mobile network with another dropout, of six digits; one that has it, and any other network, as it
        is."""
        if self.family != "mobile":
            return self
        found = parse_mobile(self.architecture)
        if probability == found.head.dropout:
            return self
        head = Head(found.head.width, found.head.hidden, min(MOST_DROPOUT, round(probability, 6)))
        return Design(str(MobileArchitecture(found.stem, found.stages, head)), self.network, self.side)


#: design -> (parameters, MACs)
Measure = Callable[[Design], tuple[int, int]]


def scale(base: Design, factors: Factors, divisor: int | None = None) -> Design:
    """Scale a design: cells, layers and blocks are rounded up, channels to a multiple of `divisor`, the side to whole
    pixels.

    Cells: their number and the channels of the first; mobile: layers of each stage and all channels
    (`spaces.efficientnet.scaled`); hand-designed: the factors in the name, whose builder has its own rounding. Factors
    of exactly 1 change nothing, also where the base is no multiple of `divisor`. Raises UserError where the side
    falls below the network's stride.
    """
    side = round(base.side * factors.resolution)
    if base.family == "mobile":
        architecture = scaled(
            parse_mobile(base.architecture),
            width=factors.width,
            depth=factors.depth,
            divisor=divisor or MOBILE_DIVISOR,
        )
        found = Design(str(architecture), base.network, side)
    elif base.family == "baseline":
        name = parse_baseline(base.architecture)
        wider = name._replace(width=name.width * factors.width, depth=name.depth * factors.depth)
        try:
            parse_baseline(str(wider))
        except ValueError as error:
            raise UserError(f"{base.architecture} cannot be scaled so far: {error}") from None
        found = Design(str(wider), base.network, side)
    else:
        network = base.network
        cells = round_layers(network.cells, factors.depth)
        changes = {
            "cells": cells,
            "channels": round_channels(network.channels, factors.width, divisor or CELL_DIVISOR),
            # declared reductions stay where they are in proportion
            "reductions": network.reductions and [place * cells // network.cells for place in network.reductions],
        }
        found = Design(base.architecture, network.model_copy(update=changes), side)
    if found.side < found.stride:
        raise UserError(
            f"{found.architecture}: the network divides the side of its images by {found.stride}, but they have "
            f"{found.side} pixels; raise data.resolution, or take fewer strides or reductions"
        )
    return found


@dataclass(frozen=True)
class Solved:
    """A design scaled to a target, the factors that were used and what it has."""

    design: Design
    factors: Factors
    parameters: int
    macs: int


def solve(
    base: Design, path: Callable[[float], Factors], target: float, measure: Measure, divisor: int | None = None
) -> Solved:
    """The design whose real MACs come nearest to `target`, of those on `path`: a number -> factors, where the number
    is about what the base's MACs are multiplied by.

    Bisection between 1/64 and 64: of all designs that were measured on the way the nearest is taken (the first within
    0.2 %), so that a step of rounding too coarse for the target is seen in its MACs, not hidden. A design that cannot
    be is passed over; UserError where the base itself cannot be.
    """
    design = scale(base, path(1.0), divisor)
    best = Solved(design, path(1.0), *measure(design))
    rising = best.macs < target

    def enough(at: float) -> bool:
        """Whether `at` reaches the target, or passes it by where the way leads down."""
        nonlocal best
        try:
            design = scale(base, path(at), divisor)
        except UserError:
            return True
        found = Solved(design, path(at), *measure(design))
        if abs(found.macs - target) < abs(best.macs - target):
            best = found
        return found.macs >= target if rising else found.macs <= target

    def found() -> bool:
        return abs(best.macs / target - 1) <= NEAR

    near, step = 1.0, 2.0 if rising else 0.5
    far = step
    while not found() and not enough(far) and 1 / FARTHEST < far < FARTHEST:
        near, far = far, far * step
    while not found() and max(near / far, far / near) > SAME:
        middle = math.sqrt(near * far)
        near, far = (near, middle) if enough(middle) else (middle, far)
    return best
