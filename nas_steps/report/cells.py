"""A cell drawn as SVG: inputs on the left, nodes in layers by depth, the output on the right.

Every edge has a plate with its operation. An edge that skips layers has a lane of its own, clear of all plates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from nas_steps.report.svg import opened
from nas_steps.spaces.cells.architectures import Cell, whole_output
from nas_steps.spaces.cells.operations import OPERATIONS

PLATE_WIDTH, PLATE_HEIGHT, PLATE_GAP = 100.0, 26.0, 10.0
RADIUS = 16.0
GUTTER = 48.0  # between a layer and the plates of the next one
REACH = 28.0  # between a plate and its node
LANE_HEIGHT = 16.0
ITEM_GAP = 14.0
INPUT_WIDTH, INPUT_HEIGHT = 58.0, 32.0
MARGIN = 10.0

Point = tuple[float, float]


@dataclass(frozen=True)
class _Edge:
    """Edge number `place` of node `target` (a source number), from `source`."""

    target: int
    place: int
    source: int
    operation: str

    @property
    def kind(self) -> str:
        """The style: `none` (no connection), `free` (no weights), or the kind of convolution."""
        if self.operation == "none":
            return "none"
        if not OPERATIONS.get(self.operation):
            return "free"
        family = self.operation.partition("_")[0]
        return family if family in ("sep", "dil") else "nor"


@dataclass
class _Item:
    """A part of a layer: an input, a node with its plates, or the lane of an edge."""

    source: int | None  # None for a lane
    height: float
    edges: list[_Edge] = field(default_factory=list)  # of a node, from top to bottom
    y: float = 0.0

    def ends(self) -> list[tuple[_Edge, float]]:
        """List each edge with the y of its plate, or of the lane."""
        if self.source is None:
            return [(self.edges[0], self.y)]
        first = self.y - self.height / 2 + PLATE_HEIGHT / 2
        return [(edge, first + place * (PLATE_HEIGHT + PLATE_GAP)) for place, edge in enumerate(self.edges)]


#: the points at the right of a layer from which lines go on, by source, and by edge if it has a lane there
_Starts = dict[int | _Edge, Point]


def _start(starts: _Starts, edge: _Edge) -> Point:
    return starts.get(edge) or starts[edge.source]


def draw_cell(cell: Cell, label: str, inputs: int = 2, concat: Sequence[int] | None = None) -> str:
    """Draw the cell as an `<svg>` element. Screen readers say `label` and the edges in words.

    `inputs` counts the outputs of earlier cells, 1 or 2; `concat` names the nodes of the output. Colours come from the
    page's style sheet (classes `edge`, `plate`, `free`, `none`, `sep`, `dil`, `nor`).
    """
    output = whole_output(inputs, len(cell)) if concat is None else tuple(concat)
    layers = _layers(cell, inputs)
    _place(layers)
    # everything is centred on y = 0 so far
    top = min(item.y - item.height / 2 for layer in layers for item in layer)
    bus = max(item.y + item.height / 2 for layer in layers for item in layer) + 22
    step = GUTTER + PLATE_WIDTH + REACH + 2 * RADIUS
    width = 2 * MARGIN + INPUT_WIDTH + (len(layers) - 1) * step + GUTTER + INPUT_WIDTH
    height = bus - top + 2 * MARGIN + INPUT_HEIGHT / 2
    lines: list[str] = []
    buses: list[float] = []
    shapes = [_terminal(MARGIN, item.y, f"k\N{MINUS SIGN}{inputs - (item.source or 0)}") for item in layers[0]]
    starts: _Starts = {item.source or 0: (MARGIN + INPUT_WIDTH, item.y) for item in layers[0]}
    for depth, layer in enumerate(layers[1:]):
        left = MARGIN + INPUT_WIDTH + depth * step + GUTTER
        right = left + step - GUTTER
        after: _Starts = {start: point for start, point in starts.items() if isinstance(start, int)}
        for item in layer:
            for edge, y in item.ends():
                onward = "" if item.source is not None else f"H{right:g}"
                lines.append(_curve(_start(starts, edge), (left, y), edge.kind, onward))
            if item.source is None:
                after[item.edges[0]] = (right, item.y)
                continue
            for edge, y in item.ends():
                tip = (right - 2 * RADIUS - 2, item.y + (y - item.y) * 0.3)
                lines.append(_curve((left + PLATE_WIDTH, y), tip, edge.kind) + _head(tip, edge.kind))
                shapes.append(_plate(left, y, edge))
            shapes.append(_node(right - RADIUS, item.y, item.source - inputs))
            after[item.source] = (right, item.y)
            if item.source - inputs in output:
                buses.append(right + 12)
                lines.insert(0, f'<path class="bus" d="M{right:g} {item.y:g}h12V{bus:g}"/>')
        starts = after
    first, end = min(buses), width - MARGIN - INPUT_WIDTH
    lines.insert(0, f'<path class="bus" d="M{first:g} {bus:g}H{end:g}"/>')
    shapes.append(_terminal(end, bus, "k"))
    hint = _output(output, len(cell), inputs)
    shapes.append(f'<text class="hint" x="{first - 10:g}" y="{bus + 4:g}" text-anchor="end">{hint}</text>')
    body = f'<g transform="translate(0 {MARGIN - top:g})">' + "".join(lines + shapes) + "</g></svg>"
    return opened(width, height, f"{label}: {describe(cell, inputs)}; the output is {hint}") + body


def describe(cell: Cell, inputs: int = 2) -> str:
    """Spell the cell in words, for screen readers."""
    return "; ".join(
        f"node {place} sums "
        + " and ".join(f"{_words(operation)} of {_source(source, inputs)}" for operation, source in node)
        for place, node in enumerate(cell)
    )


def _layers(cell: Cell, inputs: int) -> list[list[_Item]]:
    depths = dict.fromkeys(range(inputs), 0)
    edges: list[_Edge] = []
    for place, node in enumerate(cell):
        own = inputs + place
        depths[own] = 1 + max(depths[source] for _, source in node)
        edges += [_Edge(own, number, source, operation) for number, (operation, source) in enumerate(node)]
    layers = [[_Item(source, INPUT_HEIGHT) for source in range(inputs)]]
    for depth in range(1, max(depths.values()) + 1):
        nodes = [[edge for edge in edges if edge.target == node] for node, own in depths.items() if own == depth]
        passing = [edge for edge in edges if depths[edge.source] < depth < depths[edge.target]]
        layer = [_Item(mine[0].target, len(mine) * (PLATE_HEIGHT + PLATE_GAP) - PLATE_GAP, mine) for mine in nodes]
        layers.append(layer + [_Item(None, LANE_HEIGHT, [edge]) for edge in passing])
    return layers


def _place(layers: list[list[_Item]]) -> None:
    """Order each layer so that few lines cross, and set every y."""
    for item, y in zip(layers[0], (-38.0, 38.0) if len(layers[0]) == 2 else (0.0,), strict=True):
        item.y = y
    starts: _Starts = {item.source or 0: (0.0, item.y) for item in layers[0]}
    for layer in layers[1:]:
        layer.sort(key=lambda item: sum(_start(starts, edge)[1] for edge in item.edges) / len(item.edges))
        _stack(layer, starts)
        improved = True
        while improved:
            improved = False
            for place in range(len(layer) - 1):
                cost = _tangle(layer, starts)
                layer[place : place + 2] = layer[place + 1], layer[place]
                _stack(layer, starts)
                if _tangle(layer, starts) < cost - 1e-6:
                    improved = True
                else:
                    layer[place : place + 2] = layer[place + 1], layer[place]
                    _stack(layer, starts)
        starts = {start: point for start, point in starts.items() if isinstance(start, int)}
        starts |= {item.edges[0] if item.source is None else item.source: (0.0, item.y) for item in layer}


def _stack(layer: list[_Item], starts: _Starts) -> None:
    """Set every y from the order of items, and sort a node's plates by the origins of their edges."""
    y = -(sum(item.height for item in layer) + ITEM_GAP * (len(layer) - 1)) / 2
    for item in layer:
        item.y = y + item.height / 2
        y += item.height + ITEM_GAP
        item.edges.sort(key=lambda edge: (_start(starts, edge)[1], edge.place))


def _tangle(layer: list[_Item], starts: _Starts) -> float:
    """Count the crossings before the layer, and add a little for the height that lines climb."""
    ends = [(_start(starts, edge)[1], y) for item in layer for edge, y in item.ends()]
    crossings = sum(
        (one[0] - other[0]) * (one[1] - other[1]) < 0 for place, one in enumerate(ends) for other in ends[place + 1 :]
    )
    return crossings + 1e-4 * sum(abs(start - end) for start, end in ends)


def _curve(start: Point, end: Point, kind: str, onward: str = "") -> str:
    middle = (start[0] + end[0]) / 2
    return (
        f'<path class="edge {kind}" d="M{start[0]:g} {start[1]:g}C{middle:g} {start[1]:g} {middle:g} {end[1]:g} '
        f'{end[0]:g} {end[1]:g}{onward}"/>'
    )


def _head(tip: Point, kind: str) -> str:
    return f'<path class="head {kind}" d="M{tip[0] + 1:g} {tip[1]:g}l-8 -4v8z"/>'


def _plate(x: float, y: float, edge: _Edge) -> str:
    return (
        f'<rect class="plate {edge.kind}" x="{x:g}" y="{y - PLATE_HEIGHT / 2:g}" width="{PLATE_WIDTH:g}" '
        f'height="{PLATE_HEIGHT:g}" rx="6"/>'
        f'<text x="{x + PLATE_WIDTH / 2:g}" y="{y + 4.3:g}" text-anchor="middle">'
        f"{escape(_words(edge.operation))}</text>"
    )


def _node(x: float, y: float, number: int) -> str:
    return (
        f'<circle class="node" cx="{x:g}" cy="{y:g}" r="{RADIUS:g}"/>'
        f'<text class="name" x="{x:g}" y="{y + 4.6:g}" text-anchor="middle">{number}</text>'
    )


def _terminal(x: float, y: float, index: str) -> str:
    return (
        f'<rect class="terminal" x="{x:g}" y="{y - INPUT_HEIGHT / 2:g}" width="{INPUT_WIDTH:g}" '
        f'height="{INPUT_HEIGHT:g}" rx="8"/>'
        f'<text class="name" x="{x + INPUT_WIDTH / 2:g}" y="{y + 4:g}" text-anchor="middle">c'
        f'<tspan class="index" dy="4">{index}</tspan></text>'
    )


def _words(operation: str) -> str:
    """`sep_conv_3x3` as `sep conv 3×3`."""
    words = operation.replace("_connect", "").replace("_", " ")
    return words.replace("3x3", "3×3").replace("5x5", "5×5").replace("1x1", "1×1")


def _source(source: int, inputs: int) -> str:
    before = ("the last cell", "the cell before the last")
    return before[inputs - 1 - source] if source < inputs else f"node {source - inputs}"


def _output(output: tuple[int, ...], nodes: int, inputs: int) -> str:
    if len(output) == nodes and inputs == 2:
        return "all nodes, concatenated"
    *others, last = map(str, output)
    return f"nodes {', '.join(others)} and {last}, concatenated" if others else f"node {last}"
