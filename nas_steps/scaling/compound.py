"""Scale depth, width and resolution of cells, mobile architectures and hand-designed networks. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from nas_steps.config.scaling import Scaling
from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.facts import STEM_STRIDE
from nas_steps.spaces.baselines import parse_baseline
from nas_steps.spaces.cells.architectures import parse_architecture
from nas_steps.spaces.mobile import efficientnet
from nas_steps.spaces.mobile.architectures import is_mobile, parse_mobile
from nas_steps.spaces.mobile.efficientnet import round_channels, round_layers, scaled

#: channels are rounded to a multiple of this by default: as published for mobile networks
MOBILE_DIVISOR, CELL_DIVISOR = 8, 4
#: the largest dropout
MOST_DROPOUT = 0.9
#: a bisection's largest factor, and the ratio of its bounds and the relative error at which it ends
FARTHEST, SAME, NEAR = 64.0, 1.001, 0.002


@dataclass(frozen=True)
class Factors:
    """The factors of depth, width and resolution for phi = 1: alpha, beta, gamma."""

    depth: float
    width: float
    resolution: float

    @property
    def product(self) -> float:
        """Return the factor of the MACs before rounding."""
        return self.depth * self.width**2 * self.resolution**2

    def power(self, phi: float) -> Factors:
        return Factors(self.depth**phi, self.width**phi, self.resolution**phi)


def triples(scaling: Scaling) -> list[Factors]:
    """Return the triples of the grid with depth * width^2 * resolution^2 near 2, in the grid's order."""
    grid = efficientnet.triples(scaling.factors, scaling.depth, scaling.width, scaling.resolution, scaling.tolerance)
    return [Factors(*triple) for triple in grid]


@dataclass(frozen=True)
class Design:
    """A network before it is built: its string, the skeleton (of cells alone), the side of its images in pixels."""

    architecture: str
    network: Network
    side: int

    @property
    def family(self) -> str:
        """Return `mobile`, `baseline` or `cells`."""
        if is_mobile(self.architecture):
            return "mobile"
        with suppress(ValueError):
            parse_baseline(self.architecture)
            return "baseline"
        return "cells"

    @property
    def stride(self) -> int:
        """Return the divisor of the images' side; 1 for a hand-designed network, which is fitted to its images."""
        if self.family == "mobile":
            return parse_mobile(self.architecture).stride
        if self.family == "baseline":
            return 1
        reductions = self.network.reductions
        if reductions is None or parse_architecture(self.architecture).inputs == 1:
            reductions = [0, 0]  # two, at thirds of the depth
        return STEM_STRIDE[self.network.stem] << len(reductions)

    @property
    def resizes(self) -> bool:
        """Return whether a mobile network resizes its images, which its string says to be large enough."""
        return self.family == "mobile" and parse_mobile(self.architecture).stem.side > 0

    @property
    def dropout(self) -> float | None:
        """Return the dropout before the classifier; None if the network has no such layer of its own."""
        return parse_mobile(self.architecture).head.dropout if self.family == "mobile" else None

    def with_dropout(self, probability: float) -> Design:
        """Return the mobile network with this dropout, rounded to six digits; any other network unchanged."""
        if self.dropout in (None, probability):
            return self
        network = parse_mobile(self.architecture)
        head = replace(network.head, dropout=min(MOST_DROPOUT, round(probability, 6)))
        return replace(self, architecture=str(replace(network, head=head)))


#: design -> (parameters, MACs)
Measure = Callable[[Design], tuple[int, int]]


def scale(base: Design, factors: Factors, divisor: int | None = None) -> Design:
    """Scale a design; cells, layers and blocks are rounded up, channels to a multiple of `divisor`, the side to pixels.

    Cells change by their number and first channels, a hand-designed network by the factors in its name. If a network
    resizes its images, the side that it resizes them to is scaled, not the images. Factors of exactly 1 change nothing.
    Raises UserError if the side falls below the network's stride.
    """
    architecture, network = base.architecture, base.network
    if base.family == "mobile":
        mobile, divisor = parse_mobile(architecture), divisor or MOBILE_DIVISOR
        grown = scaled(mobile, width=factors.width, depth=factors.depth, divisor=divisor)
        if own := mobile.stem.side:
            grown = replace(grown, stem=replace(grown.stem, side=round(own * factors.resolution)))
            factors = replace(factors, resolution=1.0)
        architecture = str(grown)
    elif base.family == "baseline":
        name = parse_baseline(architecture)
        own, name = name.side, name._replace(width=name.width * factors.width, depth=name.depth * factors.depth)
        if own:
            name = name._replace(side=round(own * factors.resolution))
            factors = replace(factors, resolution=1.0)
        architecture = str(name)
        try:
            parse_baseline(architecture)
        except ValueError as error:
            raise UserError(f"{base.architecture} cannot be scaled so far: {error}") from None
    else:
        cells = round_layers(network.cells, factors.depth)
        channels = round_channels(network.channels, factors.width, divisor or CELL_DIVISOR)
        # declared reductions keep their relative places
        reductions = network.reductions and [place * cells // network.cells for place in network.reductions]
        network = network.model_copy(update={"cells": cells, "channels": channels, "reductions": reductions})
    design = Design(architecture, network, round(base.side * factors.resolution))
    if design.side < design.stride and not design.resizes:
        raise UserError(
            f"{design.architecture}: the network divides the side of its images by {design.stride}, but they have "
            f"{design.side} pixels; raise data.resolution, or take fewer strides or reductions"
        )
    return design


@dataclass(frozen=True)
class Solved:
    """A design scaled to a target, its factors and its size."""

    design: Design
    factors: Factors
    parameters: int
    macs: int


def solve(
    base: Design, path: Callable[[float], Factors], target: float, measure: Measure, divisor: int | None = None
) -> Solved:
    """Find the design whose real MACs come nearest to `target`, by bisection between 1/64 and 64; skip impossible ones.

    `path` maps about the factor of the base's MACs to factors. The first design within 0.2 % is taken, or the nearest.
    Raises UserError if the base itself is impossible.
    """

    def at(times: float) -> Solved:
        design = scale(base, path(times), divisor)
        return Solved(design, path(times), *measure(design))

    best = at(1.0)
    rising = best.macs < target

    def enough(times: float) -> bool:
        """Whether `times` reaches the target, or falls below it on the way down."""
        nonlocal best
        try:
            tried = at(times)
        except UserError:
            return True
        best = min(best, tried, key=lambda one: abs(one.macs - target))
        return tried.macs >= target if rising else tried.macs <= target

    def near_enough() -> bool:
        return abs(best.macs / target - 1) <= NEAR

    near, far = 1.0, 2.0 if rising else 0.5
    step = far
    while not near_enough() and not enough(far) and 1 / FARTHEST < far < FARTHEST:
        near, far = far, far * step
    while not near_enough() and max(near / far, far / near) > SAME:
        middle = math.sqrt(near * far)
        near, far = (near, middle) if enough(middle) else (middle, far)
    return best
