"""A cell drawn as SVG: inputs on the left, nodes in layers by depth, the concatenated output on the right.

Every edge carries a plate with its operation. An edge that skips layers runs on a lane of its own, so that it
never passes behind a plate; edges from one source share their lane until they part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from nas_steps.report.svg import opened
from nas_steps.spaces.cells import CELL_INPUTS, Cell
from nas_steps.spaces.operations import OPERATIONS

PLATE_WIDTH, PLATE_HEIGHT, PLATE_GAP = 100.0, 26.0, 10.0
RADIUS = 16.0
GUTTER = 48.0  # between a layer and the plates of the next one
REACH = 28.0  # between a plate and its node
LANE_HEIGHT = 16.0
ITEM_GAP = 14.0
INPUT_WIDTH, INPUT_HEIGHT = 58.0, 32.0
MARGIN = 10.0

_FAMILIES = {"sep": "sep", "dil": "dil", "nor": "nor"}


@dataclass
class _Item:
    """What takes up height in a layer: a node with its plates, or the lane of a source that is read further on."""

    source: int  # the node itself, or whose lane it is
    height: float
    inputs: list[int]  # the sources that lead here
    node: bool
    y: float = 0.0
    plates: list[tuple[str, int, float]] = field(default_factory=list)  # operation, source, y


def draw_cell(cell: Cell, label: str) -> str:
    """The cell as an `<svg>` element. `label` is what is read out; edges are named in it too.

    Colours and strokes come from the page's style sheet (classes `edge`, `plate`, `free`, `sep`, `dil`, `nor`).
    """
    layers = _layers(cell)
    _place(layers)
    # everything is centred on y = 0 so far
    top = min(item.y - item.height / 2 for layer in layers for item in layer)
    bottom = max(item.y + item.height / 2 for layer in layers for item in layer)
    bus = bottom + 22
    step = GUTTER + PLATE_WIDTH + REACH + 2 * RADIUS
    width = 2 * MARGIN + INPUT_WIDTH + (len(layers) - 1) * step + GUTTER + INPUT_WIDTH
    height = bus - top + 2 * MARGIN + INPUT_HEIGHT / 2
    lines: list[str] = []
    shapes: list[str] = []
    outputs: dict[int, tuple[float, float]] = {}  # where the line of a source stands at the right of the last layer
    for item in layers[0]:
        outputs[item.source] = (MARGIN + INPUT_WIDTH, item.y)
        shapes.append(_terminal(MARGIN, item.y, "c", "k\N{MINUS SIGN}2" if item.source == 0 else "k\N{MINUS SIGN}1"))
    for depth, layer in enumerate(layers[1:]):
        left = MARGIN + INPUT_WIDTH + depth * step + GUTTER
        x = left + PLATE_WIDTH + REACH + RADIUS
        after = dict(outputs)
        for item in layer:
            if item.node:
                for operation, source, y in item.plates:
                    kind = _class(operation)
                    lines.append(_curve(outputs[source], (left, y), kind))
                    arrow = (x - RADIUS - 2, item.y + (y - item.y) * 0.3)
                    lines.append(_curve((left + PLATE_WIDTH, y), arrow, kind) + _head(arrow, kind))
                    shapes.append(_plate(left, y, operation, kind))
                shapes.append(_node(x, item.y, item.source - CELL_INPUTS))
                after[item.source] = (x + RADIUS, item.y)
            else:
                lines.append(_curve(outputs[item.source], (left, item.y), "lane"))
                lines.append(f'<path class="edge lane" d="M{left:g} {item.y:g}H{x + RADIUS:g}"/>')
                after[item.source] = (x + RADIUS, item.y)
        nodes = [item for item in layer if item.node]
        rail = x + RADIUS + 12
        lines += [f'<path class="bus" d="M{x + RADIUS:g} {item.y:g}H{rail:g}V{bus:g}"/>' for item in nodes]
        outputs = after
    end = width - MARGIN - INPUT_WIDTH
    first = MARGIN + INPUT_WIDTH + step + 12
    lines.insert(0, f'<path class="bus" d="M{first:g} {bus:g}H{end:g}"/>')
    shapes.append(_terminal(end, bus, "c", "k"))
    shapes.append(
        f'<text class="hint" x="{first - 10:g}" y="{bus + 4:g}" text-anchor="end">all nodes, concatenated</text>'
    )
    shift = MARGIN - top
    told = f"{label}: {describe(cell)}"
    return (
        opened(width, height, told)
        + f'<g transform="translate(0 {shift:g})">'
        + "".join(lines + shapes)
        + "</g></svg>"
    )


def describe(cell: Cell) -> str:
    """The cell in words, for those who do not see the drawing."""
    return "; ".join(
        f"node {place} sums " + " and ".join(f"{_words(operation)} of {_source(source)}" for operation, source in node)
        for place, node in enumerate(cell)
    )


def _layers(cell: Cell) -> list[list[_Item]]:
    depths = dict.fromkeys(range(CELL_INPUTS), 0)
    for place, node in enumerate(cell):
        depths[CELL_INPUTS + place] = 1 + max(depths[source] for _, source in node)
    furthest = dict.fromkeys(depths, 0)  # the deepest layer that reads a source
    for place, node in enumerate(cell):
        for _, source in node:
            furthest[source] = max(furthest[source], depths[CELL_INPUTS + place])
    layers = [[_Item(source, INPUT_HEIGHT, [], False) for source in range(CELL_INPUTS)]]
    for depth in range(1, max(depths.values()) + 1):
        layer = []
        for source, own in depths.items():
            if own == depth:
                edges = cell[source - CELL_INPUTS]
                height = len(edges) * PLATE_HEIGHT + (len(edges) - 1) * PLATE_GAP
                item = _Item(source, height, [origin for _, origin in edges], True)
                item.plates = [(operation, origin, 0.0) for operation, origin in edges]
                layer.append(item)
            elif own < depth < furthest[source]:
                layer.append(_Item(source, LANE_HEIGHT, [source], False))
        layers.append(layer)
    return layers


def _place(layers: list[list[_Item]]) -> None:
    """Order each layer so that few lines cross, and set every y. Inputs stand apart, so that lines have room."""
    for item, y in zip(layers[0], (-38.0, 38.0), strict=True):
        item.y = y
    for before, layer in zip(layers, layers[1:], strict=False):
        heights = {item.source: item.y for item in before}
        layer.sort(key=lambda item: sum(heights[source] for source in item.inputs) / len(item.inputs))
        _stack(layer, heights)
        improved = True
        while improved:
            improved = False
            for place in range(len(layer) - 1):
                cost = _tangle(layer, heights)
                layer[place], layer[place + 1] = layer[place + 1], layer[place]
                _stack(layer, heights)
                if _tangle(layer, heights) < cost - 1e-6:
                    improved = True
                else:
                    layer[place], layer[place + 1] = layer[place + 1], layer[place]
                    _stack(layer, heights)


def _stack(layer: list[_Item], heights: dict[int, float]) -> None:
    y = -(sum(item.height for item in layer) + ITEM_GAP * (len(layer) - 1)) / 2
    for item in layer:
        item.y = y + item.height / 2
        y += item.height + ITEM_GAP
        ordered = sorted(item.plates, key=lambda plate: (heights[plate[1]], plate[0]))
        first = item.y - item.height / 2 + PLATE_HEIGHT / 2
        item.plates = [
            (operation, source, first + place * (PLATE_HEIGHT + PLATE_GAP))
            for place, (operation, source, _) in enumerate(ordered)
        ]


def _tangle(layer: list[_Item], heights: dict[int, float]) -> float:
    """Crossings between the layer and the one before it, and, far less heavily, the height that lines climb."""
    ends = [(heights[source], y) for item in layer for _, source, y in item.plates]
    ends += [(heights[item.source], item.y) for item in layer if not item.node]
    crossings = sum(
        (one[0] - other[0]) * (one[1] - other[1]) < 0
        for place, one in enumerate(ends)
        for other in ends[place + 1 :]
    )
    return crossings + 1e-4 * sum(abs(start - end) for start, end in ends)


def _curve(start: tuple[float, float], end: tuple[float, float], kind: str) -> str:
    middle = (start[0] + end[0]) / 2
    return (
        f'<path class="edge {kind}" d="M{start[0]:g} {start[1]:g}C{middle:g} {start[1]:g} {middle:g} {end[1]:g} '
        f'{end[0]:g} {end[1]:g}"/>'
    )


def _head(tip: tuple[float, float], kind: str) -> str:
    x, y = tip
    return f'<path class="head {kind}" d="M{x + 1:g} {y:g}l-8 -4v8z"/>'


def _plate(x: float, y: float, operation: str, kind: str) -> str:
    return (
        f'<rect class="plate {kind}" x="{x:g}" y="{y - PLATE_HEIGHT / 2:g}" width="{PLATE_WIDTH:g}" '
        f'height="{PLATE_HEIGHT:g}" rx="6"/>'
        f'<text class="{kind}" x="{x + PLATE_WIDTH / 2:g}" y="{y + 4.3:g}" text-anchor="middle">'
        f"{escape(_words(operation))}</text>"
    )


def _node(x: float, y: float, number: int) -> str:
    return (
        f'<circle class="node" cx="{x:g}" cy="{y:g}" r="{RADIUS:g}"/>'
        f'<text class="name" x="{x:g}" y="{y + 4.6:g}" text-anchor="middle">{number}</text>'
    )


def _terminal(x: float, y: float, name: str, index: str) -> str:
    return (
        f'<rect class="terminal" x="{x:g}" y="{y - INPUT_HEIGHT / 2:g}" width="{INPUT_WIDTH:g}" '
        f'height="{INPUT_HEIGHT:g}" rx="8"/>'
        f'<text class="name" x="{x + INPUT_WIDTH / 2:g}" y="{y + 4:g}" text-anchor="middle">{name}'
        f'<tspan class="index" dy="4">{index}</tspan></text>'
    )


def _class(operation: str) -> str:
    """The style of an operation: `free` has no weights; else the kind of convolution."""
    return _FAMILIES.get(operation.partition("_")[0], "nor") if OPERATIONS.get(operation) else "free"


def _words(operation: str) -> str:
    """`sep_conv_3x3` as `sep conv 3×3`, short enough for a plate."""
    words = operation.replace("_connect", "").replace("_", " ")
    return words.replace("3x3", "3×3").replace("5x5", "5×5").replace("1x1", "1×1")


def _source(source: int) -> str:
    return ("the cell before the last", "the last cell")[source] if source < CELL_INPUTS else f"node {source - CELL_INPUTS}"
