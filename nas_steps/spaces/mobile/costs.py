"""Parameters and multiply-accumulates of mobile architectures, block by block, without building a network.

Counted is what `nas_steps.models.mobile.network` builds, to the unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from nas_steps.spaces.costs import Shape, divided, least
from nas_steps.spaces.mobile.architectures import Block
from nas_steps.spaces.mobile.space import MobileArchitecture, MobileSpace, Stage

STEM = "stem"


class Place(NamedTuple):
    """Where a block stands: channels that come in, and by what the image's side is divided before it."""

    into: int
    divided: int


class MobileBlocks:
    """The stem, the blocks, the head.

    A block is known by its shape and its place, not by its stage and layer: what is the same there is counted, and
    measured, once. The first block of stride 2 behind a stem of stride 2 is, say, `c16@2-k3_e6_s2_c24_silu`.
    """

    def __init__(self, space: MobileSpace) -> None:
        self.space = space
        #: by name; a place and what stands there, None being the head
        self.by_name: dict[str, tuple[Place, Block | None]] = {}
        places = {Place(space.stem.width, space.stem.stride)}
        for stage in space.stages:
            after = set()
            for place in sorted(places):
                for first, rest in _layers(stage):
                    self._add(place, first)
                    behind = _behind(place, first)
                    if max(stage.depth) > 1:
                        self._add(behind, rest)
                    after.add(behind)
            places = after
        self.by_name |= {_head_name(place): (place, None) for place in sorted(places)}

    def of(self, architecture: MobileArchitecture) -> list[str]:
        place = Place(self.space.stem.width, self.space.stem.stride)
        names = [STEM]
        for _, _, _, block in architecture.blocks():
            if (name := _name(place, block)) is not None:
                names.append(name)
            place = _behind(place, block)
        return [*names, _head_name(place)]

    def names(self) -> list[str]:
        return [STEM, *self.by_name]

    def count(self, name: str, shape: Shape) -> tuple[int, int]:
        stem, head = self.space.stem, self.space.head
        if name == STEM:
            weights = shape.inputs * stem.kernel**2 * stem.width
            return weights + 2 * stem.width, weights * divided(shape.side, stem.stride) ** 2
        place, block = self.by_name[name]
        if block is not None:
            return _count_block(place, block, shape.side)
        last = place.into * head.width
        linear = [(head.width, head.hidden), (head.hidden, shape.classes)] if head.hidden else []
        weights = sum(one * other for one, other in linear or [(head.width, shape.classes)])
        biases = head.hidden + shape.classes
        return last + 2 * head.width + weights + biases, last * divided(shape.side, place.divided) ** 2 + weights

    def cheapest(self, price: Callable[[str], float]) -> MobileArchitecture:
        """By dynamic programming over the stages: the cheapest way to each width and side."""

        def cost(place: Place, block: Block) -> float:
            name = _name(place, block)
            return 0.0 if name is None else price(name)

        stem = self.space.stem
        best: dict[Place, tuple[float, tuple[tuple[Block, ...], ...]]] = {
            Place(stem.width, stem.stride): (price(STEM), ())
        }
        for stage in self.space.stages:
            after: dict[Place, tuple[float, tuple[tuple[Block, ...], ...]]] = {}
            for place, (before, stages) in best.items():
                for total, blocks in _cheapest_ways(stage, place, cost):
                    behind = _behind(place, blocks[0])
                    if behind not in after or before + total < after[behind][0]:
                        after[behind] = (before + total, (*stages, blocks))
            best = after
        _, stages = least([(total + price(_head_name(place)), stages) for place, (total, stages) in best.items()])
        return MobileArchitecture(stem, stages, self.space.head)

    def _add(self, place: Place, block: Block) -> None:
        if (name := _name(place, block)) is not None:
            self.by_name[name] = (place, block)


def multiple_of_8(channels: float) -> int:
    """As torchvision rounds channels: to the nearest, or the next where that is less than 90 % of them."""
    found = max(8, int(channels + 4) // 8 * 8)
    return found if found >= 0.9 * channels else found + 8


def _name(place: Place, block: Block) -> str | None:
    """None for a layer that is left out and changes no shape: it costs nothing."""
    if block.operation is None and block.stride == 1 and block.width == place.into:
        return None
    operation = "id" if block.operation is None else str(block.operation)
    name = f"c{place.into}@{place.divided}-{operation}_s{block.stride}_c{block.width}"
    return f"{name}_{block.activation}" if block.activation else name


def _head_name(place: Place) -> str:
    return f"head-c{place.into}@{place.divided}"


def _behind(place: Place, block: Block) -> Place:
    return Place(block.width, place.divided * block.stride)


def _layers(stage: Stage) -> Iterator[tuple[Block, Block]]:
    """Every first layer of a stage with every layer that can follow it."""
    for width in stage.width:
        for stride in stage.stride:
            for activation in stage.activation:
                for first in stage.places(0):
                    for rest in [first] if stage.by == "stage" else stage.places(1):
                        yield (
                            Block(width, stride, first, "" if first is None else activation),
                            Block(width, 1, rest, "" if rest is None else activation),
                        )


def _cheapest_ways(
    stage: Stage, place: Place, cost: Callable[[Place, Block], float]
) -> Iterator[tuple[float, tuple[Block, ...]]]:
    """(price, layers) of a stage, among which is the cheapest for each width and stride."""
    for first, rest in _layers(stage):
        one = cost(place, first)
        for depth in stage.depth:
            others = (depth - 1) * cost(_behind(place, first), rest) if depth > 1 else 0.0
            yield one + others, (first, *[rest] * (depth - 1))


def _count_block(place: Place, block: Block, side: int) -> tuple[int, int]:
    """Parameters and multiply-accumulates of a block for images of `side` pixels."""
    into, out, operation = place.into, block.width, block.operation
    before = divided(side, place.divided) ** 2
    after = divided(side, place.divided * block.stride) ** 2
    if operation is None:
        return into * out + 2 * out, into * out * after
    expanded = multiple_of_8(into * operation.expansion)
    parameters = macs = 0
    if expanded != into:
        parameters += into * expanded + 2 * expanded
        macs += into * expanded * before
    depthwise = operation.kernel**2 * expanded
    parameters += depthwise + 2 * expanded
    macs += depthwise * after
    if operation.squeeze:
        squeezed = _squeezed(operation.squeeze, into, expanded)
        parameters += 2 * expanded * squeezed + squeezed + expanded
        macs += 2 * expanded * squeezed
    return parameters + expanded * out + 2 * out, macs + expanded * out * after


def _squeezed(squeeze: str, into: int, expanded: int) -> int:
    """The inner channels of squeeze-excitation."""
    if squeeze.startswith("hse"):
        return multiple_of_8(expanded * float(squeeze.removeprefix("hse")))
    return max(1, int(into * float(squeeze.removeprefix("se"))))
