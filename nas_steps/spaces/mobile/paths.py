"""Mobile architectures as paths: layer by layer, the nodes remember the channels and the side that a block gets."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from nas_steps.spaces.mobile.architectures import Block
from nas_steps.spaces.mobile.chosen import Chosen, blocks
from nas_steps.spaces.mobile.costs import MobileBlocks, Place
from nas_steps.spaces.mobile.space import RESOLUTION, MobileArchitecture, Stage
from nas_steps.spaces.paths import END, START, Arc, Paths

#: the choice that ends a stage
LEAVE = "leave"


def mobile_paths(costs: MobileBlocks) -> Paths:
    """Make the paths of a mobile space.

    The terms of a score are the resolution, the settings of each stage and the operation of each of its layers (one
    for all layers if the stage chooses for them).
    """
    space = costs.space

    def choices(architecture: MobileArchitecture) -> Iterator[Hashable]:
        yield architecture.stem.side
        for stage, layers in zip(space.stages, architecture.stages, strict=True):
            if stage.by == "stage":
                yield layers
            else:
                yield from layers
                yield LEAVE
        yield END

    def made(path: Sequence[Any]) -> MobileArchitecture:
        side, *rest = path
        stages, layers = [], []
        for choice in rest[:-1]:
            if isinstance(choice, Block):
                layers.append(choice)
            else:
                stages.append(tuple(layers) if choice == LEAVE else choice)
                layers = []
        return MobileArchitecture(replace(space.stem, side=side), tuple(stages), space.head)

    return Paths(_arcs(costs), choices, made)


def _arcs(costs: MobileBlocks) -> Iterator[Arc]:
    for side in costs.space.sides:
        yield Arc(START, (side, 0, costs.start), side, (costs.stem_name(side),), ((RESOLUTION, side),))
        places = {costs.start}
        for number, stage in enumerate(costs.space.stages):
            after: set[Place] = set()
            for place in sorted(places):
                for arc in _stage_arcs(costs, side, number, stage, place):
                    yield arc
                    if isinstance(arc.head, tuple) and len(arc.head) == 3:
                        after.add(arc.head[2])
            places = after
        for place in sorted(places):
            yield Arc((side, len(costs.space.stages), place), END, END, (costs.head_name(side, place),))


def _stage_arcs(costs: MobileBlocks, side: int, number: int, stage: Stage, before: Place) -> Iterator[Arc]:
    """Yield the arcs of a stage from (side, stage, place) to (side, stage + 1, place behind it).

    Nodes within a stage are (side, stage, place, activation, layers so far).
    """
    start = (side, number, before)
    for width, stride, activation, place in product(stage.width, stage.stride, stage.activation, stage.places(0)):
        settings = [((number, "width"), width), ((number, "stride"), stride), ((number, "activation"), activation)]
        terms = (*settings, ((number, "operation", 0), place))
        if stage.by == "stage":
            for depth in stage.depth:
                layers = blocks(Chosen(depth, width, stride, activation, (place,)))
                behind = before
                named: list[str] = []
                for block in layers:
                    named += costs.block_names(side, behind, block)
                    behind = costs.behind(behind, block)
                ends = (*terms, ((number, "depth"), depth))
                yield Arc(start, (side, number + 1, behind), layers, tuple(named), ends)
            continue
        first = Block(width, stride, place, "" if place is None else activation)
        behind = costs.behind(before, first)
        inside = (side, number, behind, activation)
        yield Arc(start, (*inside, 1), first, costs.block_names(side, before, first), terms)
        for layer, other in product(range(1, max(stage.depth)), stage.places(1)):
            block = Block(width, 1, other, "" if other is None else activation)
            names = costs.block_names(side, behind, block)
            yield Arc((*inside, layer), (*inside, layer + 1), block, names, (((number, "operation", layer), other),))
        for depth in stage.depth:
            yield Arc((*inside, depth), (side, number + 1, behind), LEAVE, (), (((number, "depth"), depth),))
