"""Count networks of cells edge by edge, as `nas_steps.models` builds them without the auxiliary head."""

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any, NamedTuple

from nas_steps.facts import STEM_STRIDE
from nas_steps.spaces.cells.architectures import CellArchitecture, Node
from nas_steps.spaces.cells.memory import peak_of_cell, peak_of_operation
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.costs import Shape, divided

#: the network without the edges of its cells
BASE = "base"
#: stages of a network of one-input cells
STAGES = 3


class Setting(NamedTuple):
    """A cell of the skeleton: channels of its nodes, side of its inputs, stride of the edges that read them."""

    kind: str
    channels: int
    side: int
    stride: int


class Stem(NamedTuple):
    """The layers before the cells: convolutions of 3x3 as (inputs, outputs, pixels), and the channels behind them.

    `before` and `last` are the elements of the maps that the first cell reads, `peak` those that the stem needs at
    once.
    """

    convolutions: list[tuple[int, int, int]]
    channels: int
    before: int
    last: int
    peak: int


class CellBlocks:
    """The base, and the operations by kind of cell and by what an edge reads (input or node).

    Only counting needs the skeleton `network`.
    """

    def __init__(self, space: CellSpace, network: Any = None) -> None:
        self.space = space
        self.network = network

    def of(self, architecture: CellArchitecture) -> list[str]:
        edges = ((kind, *edge) for kind, cell in architecture.cells.items() for node in cell for edge in node)
        return [BASE, *(self.edge_name(kind, source, operation) for kind, operation, source in edges)]

    def names(self) -> list[str]:
        space = self.space
        found = [
            self.edge_name(kind, source, operation)
            for kind in space.kinds
            for node, source in space.edges()
            for operation in space.choices_between(kind, node, source)
        ]
        return [BASE, *dict.fromkeys(found)]

    def count(self, name: str, shape: Shape) -> tuple[int, int]:
        if name == BASE:
            return self._count_base(shape)
        counts = [_count_operation(*placed) for placed in self.placed(name, shape)]
        return sum(one for one, _ in counts), sum(macs for _, macs in counts)

    def peak(self, name: str, shape: Shape) -> int:
        """Count from above: a cell is taken to keep all its maps to its end, and so are those of the base."""
        keeps = list(self._kept(shape))
        # the caller keeps the images
        images = shape.inputs * shape.side**2
        if name == BASE:
            return images + max([self._stem(shape).peak, *(kept for _, kept in keeps)])
        kind, reads, operation = name.split("-")
        found = [images]
        for cell, kept in keeps:
            if cell.kind == kind:
                side, stride = (cell.side, cell.stride) if reads == "input" else (divided(cell.side, cell.stride), 1)
                found.append(images + kept + peak_of_operation(operation, cell.channels, side, stride))
        return max(found)

    def _stem(self, shape: Shape) -> Stem:
        """Return the stem: one convolution, or the three of stride 2 of the skeleton for ImageNet."""
        network, pixels = self.skeleton(), [divided(shape.side, by) ** 2 for by in (1, 2, 4, 8)]
        channels = network.channels
        if network.stem == "imagenet":
            half, before, last = channels // 2, channels * pixels[2], channels * pixels[3]
            first, second = (shape.inputs, half, pixels[1]), (half, channels, pixels[2])
            convolutions = [first, second, (channels, channels, pixels[3])]
            # what a convolution reads is kept before and behind its activation
            peak = max(2 * half * pixels[1] + before, 2 * before + last)
            return Stem(convolutions, channels, before, last, peak)
        width = channels * (1 if self.space.inputs == 1 else network.stem_multiplier)
        size = width * pixels[0]
        return Stem([(shape.inputs, width, pixels[0])], width, size, size, size)

    def _kept(self, shape: Shape) -> Iterator[tuple[Setting, int]]:
        """Yield each cell, and the elements of the maps that it keeps."""
        outputs = 0 if self.space.inputs == 1 else len(self.space.concat)
        _, _, before, last, _ = self._stem(shape)
        for cell in self._cells(shape):
            if not outputs:
                # the output of the cell before, or of the reduction, is the input
                before, last = 0, cell.channels * cell.side**2
            yield cell, peak_of_cell(before, last, *cell[1:], self.space.nodes, outputs)
            before, last = last, cell.channels * max(1, outputs) * divided(cell.side, cell.stride) ** 2

    def placed(self, name: str, shape: Shape) -> list[tuple[str, int, int, int]]:
        """Return an edge's places in the network as (operation, channels, input side, stride), cell by cell."""
        kind, reads, operation = name.split("-")
        cells = [cell for cell in self._cells(shape) if cell.kind == kind]
        if reads == "input":
            return [(operation, cell.channels, cell.side, cell.stride) for cell in cells]
        return [(operation, cell.channels, divided(cell.side, cell.stride), 1) for cell in cells]

    def cheapest(self, price: Callable[[str], float]) -> CellArchitecture:
        """Choose node by node: their costs are independent."""
        nodes = range(self.space.nodes)
        cells = {kind: tuple(self._cheapest_node(kind, node, price) for node in nodes) for kind in self.space.kinds}
        return self.space.made(cells)

    def _cheapest_node(self, kind: str, node: int, price: Callable[[str], float]) -> Node:
        edges = {}
        for source in self.space.sources(node):
            if choices := self.space.choices_between(kind, node, source):
                prices = [(price(self.edge_name(kind, source, one)), (one, source)) for one in choices]
                edges[source] = min(prices, key=itemgetter(0))
        ways = [
            (sum(edges[source][0] for source in kept), tuple(edges[source][1] for source in kept))
            for kept in self.space.kept_sources(node)
            if all(source in edges for source in kept)
        ]
        return min(ways, key=itemgetter(0))[1]

    def edge_name(self, kind: str, source: int, operation: str) -> str:
        """Name an operation on an edge from `source` in cells of a kind."""
        return f"{kind}-{'input' if source < self.space.inputs else 'node'}-{operation}"

    def skeleton(self) -> Any:
        """The section `network`. Raises TypeError if it was not given."""
        if self.network is None:
            raise TypeError("the skeleton of the cells is not given")
        return self.network

    def _cells(self, shape: Shape) -> Iterator[Setting]:
        network = self.skeleton()
        channels, side = network.channels, divided(shape.side, STEM_STRIDE[network.stem])
        if self.space.inputs == 1:
            for stage in range(STAGES):
                if stage:
                    channels, side = 2 * channels, divided(side, 2)
                yield from [Setting("cell", channels, side, 1)] * network.cells
            return
        declared = network.reductions
        halving = {network.cells // 3, 2 * network.cells // 3} if declared is None else set(declared)
        for index in range(network.cells):
            if index in halving:
                channels *= 2
                yield Setting("reduce", channels, side, 2)
                side = divided(side, 2)
            else:
                yield Setting("normal", channels, side, 1)

    def _count_base(self, shape: Shape) -> tuple[int, int]:
        """Count the stem, the layers before the cells' edges and between the cells, the classifier."""
        one_input = self.space.inputs == 1
        convolutions, last, *_ = self._stem(shape)
        counts = [_convolution(one, other, 3, pixels) for one, other, pixels in convolutions]
        parameters, macs = sum(one for one, _ in counts), sum(most for _, most in counts)
        if one_input:
            side = shape.side
            for _ in range(1, STAGES):
                side = divided(side, 2)
                for one, other, kernel in ((last, 2 * last, 3), (2 * last, 2 * last, 3)):
                    more, most = _convolution(one, other, kernel, side**2)
                    parameters, macs = parameters + more, macs + most
                # the shortcut has no norm
                parameters, macs = parameters + 2 * last**2, macs + 2 * last**2 * side**2
                last *= 2
            parameters += 2 * last
        else:
            before_last = last
            for cell in self._cells(shape):
                for width in (before_last, last):
                    # if the cell before halved the side, the other input is halved here
                    more, most = _convolution(width, cell.channels, 1, cell.side**2)
                    parameters, macs = parameters + more, macs + most
                before_last, last = last, cell.channels * len(self.space.concat)
        return parameters + (last + 1) * shape.classes, macs + last * shape.classes


def _convolution(inputs: int, outputs: int, kernel: int, pixels: int) -> tuple[int, int]:
    """Count a dense convolution and its norm for a map of `pixels`: (parameters, multiply-accumulates)."""
    weights = inputs * outputs * kernel**2
    return weights + 2 * outputs, weights * pixels


def _count_operation(operation: str, channels: int, side: int, stride: int) -> tuple[int, int]:
    pixels = (side if stride == 1 else divided(side, 2)) ** 2
    if operation == "skip_connect":
        return (0, 0) if stride == 1 else _convolution(channels, channels, 1, pixels)
    if operation.startswith("nor_conv_"):
        return _convolution(channels, channels, int(operation[-1]), pixels)
    if operation == "conv_7x1_1x7":
        # the first convolution strides along the rows, the second one along the columns
        weights, rows = 7 * channels**2, side * (side if stride == 1 else divided(side, 2))
        return 2 * weights + 2 * channels, weights * (rows + pixels)
    layers = {"sep_conv_": 2, "dil_conv_": 1}.get(operation[:9], 0)
    depthwise = channels * int(operation[-1]) ** 2 if layers else 0
    parameters, macs = _convolution(channels, channels, 1, pixels)
    return layers * (parameters + depthwise), layers * (macs + depthwise * pixels)
