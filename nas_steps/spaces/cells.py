"""Cell spaces: a cell is a small graph whose nodes sum operations on earlier nodes (Liu et al. 2019, section 2.1).

An architecture is a string, one line, such as::

    normal:|sep_conv_3x3~0|sep_conv_3x3~1|+|skip_connect~0|max_pool_3x3~2|;reduce:|...|+|...|

`+` separates the nodes, `operation~source` is an edge. Sources 0 and 1 are the outputs of the two cells before, source
2 is the first node, and so on. Within a node the edges stand in the order of their sources, so that equal cells have
equal strings. `parse_architecture` also reads the `Genotype(normal=[...], ...)` spelling of the DARTS literature.
"""

from __future__ import annotations

import ast
import dataclasses
import math
import re
from dataclasses import dataclass
from random import Random

from nas_steps.errors import UserError, known
from nas_steps.spaces.operations import OPERATIONS

#: what leads into a cell: the outputs of the two cells before it
CELL_INPUTS = 2

Edge = tuple[str, int]  # (operation, source)
Node = tuple[Edge, ...]
Cell = tuple[Node, ...]


@dataclass(frozen=True)
class CellArchitecture:
    """What each kind of cell computes: {"normal": cell, "reduce": cell}. Edges are sorted by source."""

    normal: Cell
    reduce: Cell

    def __post_init__(self) -> None:
        for kind in ("normal", "reduce"):
            object.__setattr__(self, kind, tuple(_sorted_edges(node) for node in getattr(self, kind)))

    def __str__(self) -> str:
        return ";".join(f"{kind}:{_print_cell(getattr(self, kind))}" for kind in ("normal", "reduce"))

    @property
    def nodes(self) -> int:
        return len(self.normal)

    def genotype(self) -> str:
        """The spelling of the DARTS literature, as a Python expression."""
        concat = f"range({CELL_INPUTS}, {CELL_INPUTS + self.nodes})"
        flat = {kind: [edge for node in getattr(self, kind) for edge in node] for kind in ("normal", "reduce")}
        return (
            f"Genotype(normal={flat['normal']}, normal_concat={concat}, "
            f"reduce={flat['reduce']}, reduce_concat={concat})"
        )


@dataclass(frozen=True)
class CellSpace:
    """All architectures with these nodes, edges and operations.

    Raises ValueError when it is declared so that nothing could be searched in it.
    """

    name: str
    operations: tuple[str, ...]
    nodes: int
    edges_per_node: int = 2

    def __post_init__(self) -> None:
        for operation in self.operations:
            known("operation", operation, OPERATIONS)
        if len(set(self.operations)) < len(self.operations):
            raise ValueError(f"an operation stands twice in {list(self.operations)}")
        if len(self.choices) < 2:
            raise ValueError(
                f"operations {list(self.operations)} leave nothing to choose; name at least two beside `none`"
            )
        if not any(OPERATIONS[operation] for operation in self.operations):
            raise ValueError(
                f"none of {list(self.operations)} has weights to learn; add a convolution, say sep_conv_3x3"
            )
        if self.edges_per_node > CELL_INPUTS:
            raise ValueError(
                f"edges_per_node is {self.edges_per_node}, but the first node has only {CELL_INPUTS} inputs to keep"
            )

    def replace(self, **changes: object) -> CellSpace:
        """The same space with some of its fields changed."""
        return dataclasses.replace(self, **changes) if changes else self  # type: ignore[arg-type]

    @property
    def choices(self) -> tuple[str, ...]:
        """The operations that a discrete architecture can have: all but `none`."""
        return tuple(operation for operation in self.operations if operation != "none")

    def sources(self, node: int) -> range:
        """What node `node` (counted from 0) can read."""
        return range(CELL_INPUTS + node)

    def edges(self) -> list[tuple[int, int]]:
        """Every possible edge of a cell as (node, source), node by node."""
        return [(node, source) for node in range(self.nodes) for source in self.sources(node)]

    def size(self) -> int:
        """How many different strings the space has."""
        cell = math.prod(
            math.comb(len(self.sources(node)), self.edges_per_node) * len(self.choices) ** self.edges_per_node
            for node in range(self.nodes)
        )
        return cell**2

    def sample(self, random: Random) -> CellArchitecture:
        """Draw one architecture uniformly."""
        return CellArchitecture(self._sample_cell(random), self._sample_cell(random))

    def _sample_cell(self, random: Random) -> Cell:
        return tuple(
            tuple(
                (random.choice(self.choices), source)
                for source in sorted(random.sample(self.sources(node), self.edges_per_node))
            )
            for node in range(self.nodes)
        )

    def mutate(self, architecture: CellArchitecture, random: Random) -> CellArchitecture:
        """Change one edge's source or one edge's operation (Real et al. 2019, section 3.1); never returns the same."""
        sites = [
            (kind, node, position, what)
            for kind in ("normal", "reduce")
            for node in range(self.nodes)
            for position in range(self.edges_per_node)
            for what in ("source", "operation")
            if what == "operation" or len(self.sources(node)) > self.edges_per_node
        ]
        kind, node, position, what = random.choice(sites)
        cell = [list(edges) for edges in getattr(architecture, kind)]
        operation, source = cell[node][position]
        if what == "operation":
            operation = random.choice([choice for choice in self.choices if choice != operation])
        else:
            taken = {edge[1] for edge in cell[node]}
            source = random.choice([free for free in self.sources(node) if free not in taken])
        cell[node][position] = (operation, source)
        changed = tuple(tuple(edges) for edges in cell)
        return dataclasses.replace(architecture, **{kind: changed})

    def check(self, architecture: CellArchitecture) -> CellArchitecture:
        """`architecture`, if it belongs to this space; else a UserError that says why it does not."""
        for kind in ("normal", "reduce"):
            cell: Cell = getattr(architecture, kind)
            if len(cell) != self.nodes:
                raise UserError(f"{architecture}: {kind} has {len(cell)} nodes, space {self.name} has {self.nodes}")
            for position, node in enumerate(cell):
                if len(node) != self.edges_per_node or len({source for _, source in node}) < len(node):
                    raise UserError(
                        f"{architecture}: node {position} of {kind} must read {self.edges_per_node} different sources"
                    )
                for operation, _ in node:
                    if operation not in self.choices:
                        raise UserError(
                            f"{architecture}: {operation} is no choice of space {self.name}; it has "
                            + ", ".join(self.choices)
                        )
        return architecture

    def parse(self, text: str) -> CellArchitecture:
        """Read an architecture of this space. Raises UserError."""
        return self.check(parse_architecture(text))


def parse_architecture(text: str) -> CellArchitecture:
    """Read the canonical string or a DARTS `Genotype(...)`. Raises UserError where it is neither."""
    text = text.strip()
    cells = _parse_genotype(text) if text.startswith("Genotype(") else _parse_canonical(text)
    if len(cells["normal"]) != len(cells["reduce"]):
        raise UserError(f"{text!r}: the normal and the reduction cell have different numbers of nodes")
    for kind, cell in cells.items():
        for position, node in enumerate(cell):
            for operation, source in node:
                if operation not in OPERATIONS:
                    try:
                        known("operation", operation, OPERATIONS)
                    except ValueError as error:
                        raise UserError(f"{text!r}: {error}") from None
                if not 0 <= source < CELL_INPUTS + position:
                    raise UserError(
                        f"{text!r}: node {position} of {kind} reads {source}, but only 0 to "
                        f"{CELL_INPUTS + position - 1} come before it"
                    )
    return CellArchitecture(**cells)


def _sorted_edges(node: Node) -> Node:
    return tuple(sorted(node, key=lambda edge: (edge[1], edge[0])))


def _print_cell(cell: Cell) -> str:
    return "+".join("|" + "".join(f"{operation}~{source}|" for operation, source in node) for node in cell)


def _parse_canonical(text: str) -> dict[str, Cell]:
    match = re.fullmatch(r"normal:(?P<normal>[^;]+);reduce:(?P<reduce>[^;]+)", text)
    if match is None:
        raise UserError(
            f"{text!r} is no cell architecture; it is spelled normal:|operation~source|...|+|...|;reduce:|...|+|...|"
        )
    return {kind: tuple(_parse_node(node, text) for node in match[kind].split("+")) for kind in ("normal", "reduce")}


def _parse_node(text: str, whole: str) -> Node:
    if re.fullmatch(r"\|(\w+~\d+\|)+", text) is None:
        raise UserError(f"{whole!r}: {text!r} is no node; a node is spelled |operation~source|operation~source|")
    edges = (edge.split("~") for edge in text.strip("|").split("|"))
    return tuple((operation, int(source)) for operation, source in edges)


def _parse_genotype(text: str) -> dict[str, Cell]:
    wrong = UserError(
        f"{text!r} is no genotype; it is spelled Genotype(normal=[('sep_conv_3x3', 0), ...], "
        "normal_concat=range(2, 6), reduce=[...], reduce_concat=range(2, 6))"
    )
    try:
        call = ast.parse(text, mode="eval").body
    except SyntaxError:
        raise wrong from None
    if not isinstance(call, ast.Call):
        raise wrong
    names = ("normal", "normal_concat", "reduce", "reduce_concat")
    given = dict(zip(names, call.args, strict=False)) | {word.arg: word.value for word in call.keywords}
    cells = {}
    for kind in ("normal", "reduce"):
        try:
            edges = [(str(operation), int(source)) for operation, source in ast.literal_eval(given[kind])]
        except (KeyError, ValueError, TypeError):
            raise wrong from None
        if not edges or len(edges) % 2:
            raise UserError(f"{text!r}: {kind} has {len(edges)} edges; two are wanted for each node")
        nodes = len(edges) // 2
        concat = given.get(f"{kind}_concat")
        if concat is not None and sorted(_integers(concat, wrong)) != list(range(CELL_INPUTS, CELL_INPUTS + nodes)):
            raise UserError(f"{text!r}: {kind}_concat must name all {nodes} nodes")
        cells[kind] = tuple(tuple(edges[2 * node : 2 * node + 2]) for node in range(nodes))
    return cells


def _integers(node: ast.expr, wrong: UserError) -> list[int]:
    """The value of `range(2, 6)` or `[2, 3, 4, 5]`."""
    try:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
            return list(range(*(ast.literal_eval(argument) for argument in node.args)))
        return [int(value) for value in ast.literal_eval(node)]
    except (ValueError, TypeError):
        raise wrong from None


#: The spaces that have a name. `darts` is the paper's (section 3.1.1); `small` is cut down for images of a few pixels.
PRESETS: dict[str, CellSpace] = {
    "small": CellSpace(
        name="small",
        operations=("skip_connect", "max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3", "nor_conv_3x3"),
        nodes=3,
    ),
    "darts": CellSpace(
        name="darts",
        operations=(
            "none",
            "max_pool_3x3",
            "avg_pool_3x3",
            "skip_connect",
            "sep_conv_3x3",
            "sep_conv_5x5",
            "dil_conv_3x3",
            "dil_conv_5x5",
        ),
        nodes=4,
    ),
}
