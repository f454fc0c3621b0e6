"""Count mobile architectures block by block, as `nas_steps.models.mobile.network` builds them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from operator import itemgetter
from typing import NamedTuple

from nas_steps.spaces.costs import Shape, divided
from nas_steps.spaces.mobile.architectures import Block, Head
from nas_steps.spaces.mobile.efficientnet import multiple_of
from nas_steps.spaces.mobile.memory import peak_of_block, peak_of_layer
from nas_steps.spaces.mobile.space import MobileArchitecture, MobileSpace, Stage

STEM = "stem"
#: a price, and the blocks of each stage
Way = tuple[float, tuple[tuple[Block, ...], ...]]


class Place(NamedTuple):
    """A block's input channels, and the divisor of the image's side before it."""

    into: int
    divided: int


class MobileBlocks:
    """The stem, the blocks and the head; equal blocks at equal places have one name, as `c16@2-k3_e6_s2_c24_silu`.

    In a space with resolutions, a name begins with one of them: `i96-stem`, `i96-c16@2-k3_e6_s2_c24_silu`.
    """

    def __init__(self, space: MobileSpace) -> None:
        self.space = space
        self.start = Place(space.stem.width, space.stem.stride)
        #: by name without the resolution, a place and its block, None for the head
        self.by_name: dict[str, tuple[Place, Block | None]] = {}
        places = {self.start}
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
        place, names = self.start, [STEM]
        for _, _, _, block in architecture.blocks():
            if (name := _name(place, block)) is not None:
                names.append(name)
            place = _behind(place, block)
        return [_at(architecture.stem.side, name) for name in (*names, _head_name(place))]

    def names(self) -> list[str]:
        return [_at(side, name) for side in self.space.sides for name in (STEM, *self.by_name)]

    def stem_name(self, side: int) -> str:
        """Name the stem at a resolution (0: none)."""
        return _at(side, STEM)

    def block_names(self, side: int, place: Place, block: Block) -> tuple[str, ...]:
        """Name a block at its place and resolution; an identity has no name, as it costs nothing."""
        name = _name(place, block)
        return () if name is None else (_at(side, name),)

    def head_name(self, side: int, place: Place) -> str:
        """Name the head at its place and resolution."""
        return _at(side, _head_name(place))

    @staticmethod
    def behind(place: Place, block: Block) -> Place:
        """Return the place behind a block."""
        return _behind(place, block)

    def without_side(self, name: str, shape: Shape) -> tuple[str, int]:
        """Split a block's name into that without the resolution, and the side of the images that its stem gets."""
        resolution, separator, rest = name.partition("-")
        if separator and resolution.startswith("i"):
            return rest, int(resolution.removeprefix("i"))
        return name, shape.side

    def count(self, name: str, shape: Shape) -> tuple[int, int]:
        stem, head = self.space.stem, self.space.head
        name, side = self.without_side(name, shape)
        if name == STEM:
            weights = shape.inputs * stem.kernel**2 * stem.width
            return weights + 2 * stem.width, weights * divided(side, stem.stride) ** 2
        place, block = self.by_name[name]
        if block is not None:
            return _count_block(place, block, side)
        return _count_head(place, head, shape._replace(side=side))

    def peak(self, name: str, shape: Shape) -> int:
        stem, head = self.space.stem, self.space.head
        # the caller keeps the images, whatever they are resized to
        images = shape.inputs * shape.side**2
        short, side = self.without_side(name, shape)
        if short == STEM:
            given = 0 if short == name else shape.inputs
            return images + peak_of_layer(given, side, stem.width, divided(side, stem.stride), stem.activation)
        place, block = self.by_name[short]
        before = divided(side, place.divided)
        if block is None:
            return images + peak_of_layer(place.into, before, head.width, before, stem.activation)
        return images + peak_of_block(place.into, before, block, divided(side, place.divided * block.stride))

    def cheapest(self, price: Callable[[str], float]) -> MobileArchitecture:
        """Find the cheapest way at each resolution to each width and side by dynamic programming over the stages."""
        ways = [(self._cheapest_at(side, price), side) for side in self.space.sides]
        (_, stages), side = min(ways, key=lambda way: way[0][0])
        return MobileArchitecture(replace(self.space.stem, side=side), stages, self.space.head)

    def _cheapest_at(self, side: int, price: Callable[[str], float]) -> Way:
        """Return the least price at one resolution, and its stages."""

        def cost(place: Place, block: Block) -> float:
            name = _name(place, block)
            return 0.0 if name is None else price(_at(side, name))

        best: dict[Place, Way] = {self.start: (price(_at(side, STEM)), ())}
        for stage in self.space.stages:
            after: dict[Place, Way] = {}
            for place, (before, stages) in best.items():
                for total, blocks in _cheapest_ways(stage, place, cost):
                    behind = _behind(place, blocks[0])
                    if behind not in after or before + total < after[behind][0]:
                        after[behind] = (before + total, (*stages, blocks))
            best = after
        ways = [(total + price(_at(side, _head_name(place))), stages) for place, (total, stages) in best.items()]
        return min(ways, key=itemgetter(0))

    def _add(self, place: Place, block: Block) -> None:
        if (name := _name(place, block)) is not None:
            self.by_name[name] = (place, block)


def count_architecture(architecture: MobileArchitecture, shape: Shape) -> tuple[int, int]:
    """Count the parameters and multiply-accumulates of one architecture, of whatever space."""
    stem, head = architecture.stem, architecture.head
    shape = shape._replace(side=stem.side or shape.side)
    place, weights = Place(stem.width, stem.stride), shape.inputs * stem.kernel**2 * stem.width
    parameters, macs = weights + 2 * stem.width, weights * divided(shape.side, stem.stride) ** 2
    for _, _, _, block in architecture.blocks():
        if not block.is_identity(place.into):
            more, most = _count_block(place, block, shape.side)
            parameters, macs = parameters + more, macs + most
        place = _behind(place, block)
    more, most = _count_head(place, head, shape)
    return parameters + more, macs + most


def _count_head(place: Place, head: Head, shape: Shape) -> tuple[int, int]:
    last = place.into * head.width
    linear = [(head.width, head.hidden), (head.hidden, shape.classes)] if head.hidden else []
    weights = sum(one * other for one, other in linear or [(head.width, shape.classes)])
    biases = head.hidden + shape.classes
    return last + 2 * head.width + weights + biases, last * divided(shape.side, place.divided) ** 2 + weights


def _at(side: int, name: str) -> str:
    """Name a block at a resolution, if there is one."""
    return f"i{side}-{name}" if side else name


def _name(place: Place, block: Block) -> str | None:
    """Return the block's name, None for an identity: it costs nothing."""
    return None if block.is_identity(place.into) else f"c{place.into}@{place.divided}-{block}"


def _head_name(place: Place) -> str:
    return f"head-c{place.into}@{place.divided}"


def _behind(place: Place, block: Block) -> Place:
    return Place(block.width, place.divided * block.stride)


def _layers(stage: Stage) -> Iterator[tuple[Block, Block]]:
    """Yield every first layer of a stage with every layer that can follow it."""
    for width, stride, activation, first in product(stage.width, stage.stride, stage.activation, stage.places(0)):
        for rest in [first] if stage.by == "stage" else stage.places(1):
            yield (
                Block(width, stride, first, "" if first is None else activation),
                Block(width, 1, rest, "" if rest is None else activation),
            )


def _cheapest_ways(
    stage: Stage, place: Place, cost: Callable[[Place, Block], float]
) -> Iterator[tuple[float, tuple[Block, ...]]]:
    """Yield (price, layers) of a stage; the cheapest for each width and stride is among them."""
    for first, rest in _layers(stage):
        one = cost(place, first)
        for depth in stage.depth:
            others = (depth - 1) * cost(_behind(place, first), rest) if depth > 1 else 0.0
            yield one + others, (first, *[rest] * (depth - 1))


def _count_block(place: Place, block: Block, side: int) -> tuple[int, int]:
    into, out, operation = place.into, block.width, block.operation
    before = divided(side, place.divided) ** 2
    after = divided(side, place.divided * block.stride) ** 2
    if operation is None:
        return into * out + 2 * out, into * out * after
    expanded = multiple_of(8, into * operation.expansion)
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
    """Return the inner channels of squeeze-excitation."""
    if squeeze.startswith("hse"):
        return multiple_of(8, expanded * float(squeeze.removeprefix("hse")))
    return max(1, int(into * float(squeeze.removeprefix("se"))))
