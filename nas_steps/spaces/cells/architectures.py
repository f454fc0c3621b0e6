"""An architecture of cells as a string and as data.

Two-input cells (Liu et al. 2019, section 2.1) come in two kinds::

    normal:|sep_conv_3x3~0|sep_conv_3x3~1|+|skip_connect~0|max_pool_3x3~2|;reduce:|...|+|...|

One-input cells (Dong & Yang 2020, section 2.1) are spelled as in NAS-Bench-201::

    |nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|skip_connect~0|none~1|nor_conv_1x1~2|

`+` separates the nodes, `operation~source` is an edge. The sources count the cell's inputs (outputs of earlier cells)
first, then its nodes; edges are sorted by them. A two-input cell puts out all its nodes, concatenated, or those that
`concat=1,3` behind the last `|` names, counted from 0. A one-input cell puts out its last node.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from nas_steps.errors import UserError, known
from nas_steps.spaces.cells.operations import OPERATIONS

Edge = tuple[str, int]  # (operation, source)
Node = tuple[Edge, ...]
Cell = tuple[Node, ...]

#: the kinds of cells, by how many inputs a cell has
KINDS: dict[int, tuple[str, ...]] = {1: ("cell",), 2: ("normal", "reduce")}


def whole_output(inputs: int, nodes: int) -> tuple[int, ...]:
    """Return the default nodes, from 0, of a cell's output."""
    return tuple(range(nodes)) if inputs == 2 else (nodes - 1,)


@dataclass(frozen=True)
class CellArchitecture:
    """Cells by kind, edges sorted by source; `concat` names by kind the nodes, from 0, of a cell's output."""

    cells: Mapping[str, Cell]
    concat: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if tuple(self.cells) not in KINDS.values():
            raise ValueError(f"cells are of the kinds normal and reduce, or of the kind cell, not {list(self.cells)}")
        cells = {
            kind: tuple(tuple(sorted(node, key=lambda edge: (edge[1], edge[0]))) for node in cell)
            for kind, cell in self.cells.items()
        }
        outputs = {kind: self.concat.get(kind) or whole_output(self.inputs, len(cell)) for kind, cell in cells.items()}
        object.__setattr__(self, "cells", cells)
        object.__setattr__(self, "concat", {kind: tuple(sorted(nodes)) for kind, nodes in outputs.items()})

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        if self.inputs == 1:
            return _print_cell(self.cells["cell"])
        return ";".join(f"{kind}:{_print_cell(cell)}{self._suffix(kind)}" for kind, cell in self.cells.items())

    @property
    def inputs(self) -> int:
        """The number of earlier cells that a cell reads."""
        return 1 if "cell" in self.cells else 2

    @property
    def nodes(self) -> int:
        return len(next(iter(self.cells.values())))

    def with_cell(self, kind: str, cell: Cell) -> CellArchitecture:
        return CellArchitecture({**self.cells, kind: cell}, self.concat)

    def genotype(self) -> str | None:
        """Spell the `Genotype(...)` of the DARTS literature; None for one input or nodes that do not sum two edges."""
        if self.inputs == 1 or any(len(node) != 2 for cell in self.cells.values() for node in cell):
            return None
        parts = []
        for kind, cell in self.cells.items():
            whole = self.concat[kind] == whole_output(2, len(cell))
            concat = f"range(2, {2 + len(cell)})" if whole else str([2 + node for node in self.concat[kind]])
            parts.append(f"{kind}={[edge for node in cell for edge in node]}, {kind}_concat={concat}")
        return f"Genotype({', '.join(parts)})"

    def _suffix(self, kind: str) -> str:
        nodes = self.concat[kind]
        return "" if nodes == whole_output(2, self.nodes) else "concat=" + ",".join(map(str, nodes))


def parse_architecture(text: str) -> CellArchitecture:
    """Read an architecture, also as `Genotype(normal=[...], ...)` of the DARTS literature. Raises UserError."""
    text = text.strip()
    if text.startswith("Genotype("):
        cells, concat = _parse_genotype(text)
    elif text.startswith("|"):
        cells, concat = {"cell": _parse_cell(text, text)}, {}
    else:
        cells, concat = _parse_two(text)
    if len({len(cell) for cell in cells.values()}) > 1:
        raise UserError(f"{text!r}: the normal and the reduction cell have different numbers of nodes")
    inputs = 1 if "cell" in cells else 2
    for kind, cell in cells.items():
        _check_edges(text, kind, cell, inputs)
        unknown = [node for node in concat.get(kind, ()) if not 0 <= node < len(cell)]
        if unknown or len(set(concat.get(kind, ()))) < len(concat.get(kind, ())):
            raise UserError(
                f"{text!r}: the output of {kind} concatenates nodes {sorted(concat[kind])}, counted from 0; it must "
                f"name nodes of 0 to {len(cell) - 1}, each once"
            )
    return CellArchitecture(cells, concat)


def _check_edges(text: str, kind: str, cell: Cell, inputs: int) -> None:
    for position, node in enumerate(cell):
        for operation, source in node:
            try:
                known("operation", operation, OPERATIONS)
            except ValueError as error:
                raise UserError(f"{text!r}: {error}") from None
            if not 0 <= source < inputs + position:
                raise UserError(
                    f"{text!r}: node {position} of {kind} reads {source}, but only 0 to {inputs + position - 1} "
                    "come before it"
                )


def _print_cell(cell: Cell) -> str:
    return "+".join("|" + "".join(f"{operation}~{source}|" for operation, source in node) for node in cell)


def _parse_two(text: str) -> tuple[dict[str, Cell], dict[str, tuple[int, ...]]]:
    match = re.fullmatch(r"normal:(?P<normal>[^;]+);reduce:(?P<reduce>[^;]+)", text)
    if match is None:
        raise UserError(
            f"{text!r} is no cell architecture; two-input cells are spelled "
            "normal:|operation~source|...|+|...|;reduce:|...|+|...|, one-input cells |operation~0|+|...|"
        )
    cells, concat = {}, {}
    for kind in KINDS[2]:
        nodes, named, numbers = match[kind].partition("concat=")
        if named:
            if re.fullmatch(r"\d+(,\d+)*", numbers) is None:
                raise UserError(f"{text!r}: concat={numbers} names no nodes; it is spelled concat=1,3")
            concat[kind] = tuple(map(int, numbers.split(",")))
        cells[kind] = _parse_cell(nodes, text)
    return cells, concat


def _parse_cell(text: str, whole: str) -> Cell:
    nodes = []
    for node in text.split("+"):
        if re.fullmatch(r"\|(\w+~\d+\|)+", node) is None:
            raise UserError(f"{whole!r}: {node!r} is no node; a node is spelled |operation~source|operation~source|")
        edges = (edge.split("~") for edge in node.strip("|").split("|"))
        nodes.append(tuple((operation, int(source)) for operation, source in edges))
    return tuple(nodes)


def _parse_genotype(text: str) -> tuple[dict[str, Cell], dict[str, tuple[int, ...]]]:
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
    cells, concats = {}, {}
    for kind in KINDS[2]:
        try:
            edges = [(str(operation), int(source)) for operation, source in ast.literal_eval(given[kind])]
        except (KeyError, ValueError, TypeError):
            raise wrong from None
        if not edges or len(edges) % 2:
            raise UserError(f"{text!r}: {kind} has {len(edges)} edges; two are wanted for each node")
        nodes = len(edges) // 2
        concat = given.get(f"{kind}_concat")
        if concat is not None:
            numbers = _integers(concat, wrong)
            if not numbers or min(numbers) < 2 or max(numbers) >= 2 + nodes:
                raise UserError(f"{text!r}: {kind}_concat must name nodes, that is numbers of 2 to {1 + nodes}")
            concats[kind] = tuple(number - 2 for number in numbers)
        cells[kind] = tuple(tuple(edges[2 * node : 2 * node + 2]) for node in range(nodes))
    return cells, concats


def _integers(node: ast.expr, wrong: UserError) -> list[int]:
    """Evaluate `range(2, 6)` or `[2, 3, 4, 5]`."""
    try:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
            return list(range(*(ast.literal_eval(argument) for argument in node.args)))
        return [int(value) for value in ast.literal_eval(node)]
    except (ValueError, TypeError):
        raise wrong from None
