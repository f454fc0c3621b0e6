"""Build the blocks of `nas_steps.spaces.costs` as modules, to be measured."""

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from nas_steps.models.cells.networks import CellNetwork, StagedNetwork
from nas_steps.models.cells.operations import build_operation
from nas_steps.models.mobile.network import MobileNetwork, build_block, build_stem, resized_stem
from nas_steps.models.mobile.supernet import LastStep
from nas_steps.spaces.cells.costs import BASE, CellBlocks
from nas_steps.spaces.costs import Blocks, Shape, divided
from nas_steps.spaces.mobile.costs import STEM, MobileBlocks
from nas_steps.spaces.protocol import Architecture


class Module(NamedTuple):
    """A block at one of its places, with inputs (N, channels, side, side). Equal `key`s compute the same."""

    key: str
    build: Callable[[], nn.Module]
    channels: int
    side: int


def modules(blocks: Blocks, name: str, shape: Shape) -> list[Module]:
    """Return a block's modules at all its places; none for the base of cells, which is no module."""
    if isinstance(blocks, MobileBlocks):
        return [_mobile(blocks, name, shape)]
    assert isinstance(blocks, CellBlocks)
    return [] if name == BASE else [_edge(*placed) for placed in blocks.placed(name, shape)]


def whole(blocks: Blocks, architecture: Architecture, shape: Shape) -> nn.Module:
    """Build the network of an architecture."""
    if isinstance(blocks, MobileBlocks):
        return MobileNetwork(architecture, inputs=shape.inputs, classes=shape.classes)
    assert isinstance(blocks, CellBlocks)
    skeleton = CellNetwork if blocks.space.inputs == 2 else StagedNetwork
    return skeleton(architecture, blocks.skeleton(), inputs=shape.inputs, classes=shape.classes)


def _mobile(blocks: MobileBlocks, name: str, shape: Shape) -> Module:
    stem, head = blocks.space.stem, blocks.space.head
    short, side = blocks.without_side(name, shape)
    if short == STEM:

        def first() -> nn.Module:
            return build_stem(stem, shape.inputs) if short == name else resized_stem(stem, shape.inputs, side)

        # images come with their own side, whatever they are resized to
        return Module(name, first, shape.inputs, shape.side)
    place, block = blocks.by_name[short]
    at = divided(side, place.divided)
    # blocks of several resolutions are the same module if their maps are equally large
    key = name if short == name else f"c{place.into}-{block or 'head'}@{at}"

    def build() -> nn.Module:
        if block is None:
            return LastStep(head, place.into, shape.classes, stem)
        return build_block(block, place.into, stem)

    return Module(key, build, place.into, at)


def _edge(operation: str, channels: int, side: int, stride: int) -> Module:
    key = f"{operation}_s{stride}_c{channels}@{side}"
    return Module(key, lambda: build_operation(operation, channels, stride), channels, side)
