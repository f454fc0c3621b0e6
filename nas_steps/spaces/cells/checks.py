"""Check declarations of spaces of cells, and whether an architecture is in a space."""

from collections.abc import Mapping

from nas_steps.errors import UserError, known
from nas_steps.spaces.cells.architectures import KINDS, CellArchitecture, Node, whole_output
from nas_steps.spaces.cells.declaration import CellDeclaration
from nas_steps.spaces.cells.operations import OPERATIONS


def check_declaration(space: CellDeclaration) -> None:
    """Raise ValueError if nothing could be searched in `space`."""
    if space.inputs not in KINDS:
        raise ValueError(f"inputs is {space.inputs}; a cell has 2 inputs (as in DARTS) or 1 (as in NAS-Bench-201)")
    if space.nodes < 1:
        raise ValueError(f"nodes is {space.nodes}; a cell has at least 1 node")
    _check_reads(space)
    _check_edges_per_node(space)
    _check_concat(space)
    _check_operations(space)


def check_architecture(space: CellDeclaration, architecture: CellArchitecture) -> None:
    """Raise UserError if `architecture` is not in `space`."""
    if architecture.inputs != space.inputs:
        given, wanted = _inputs(architecture.inputs), _inputs(space.inputs)
        raise UserError(f"{architecture}: its cells have {given}, those of space {space.name} have {wanted}")
    for kind, cell in architecture.cells.items():
        if len(cell) != space.nodes:
            raise UserError(f"{architecture}: {kind} has {len(cell)} nodes, space {space.name} has {space.nodes}")
        for position, node in enumerate(cell):
            _check_node(space, architecture, kind, position, node)
        if (concat := architecture.concat[kind]) != space.concat:
            raise UserError(
                f"{architecture}: the output of {kind} concatenates nodes {list(concat)}, that of space {space.name} "
                f"nodes {list(space.concat)}"
            )


def _check_node(space: CellDeclaration, architecture: CellArchitecture, kind: str, position: int, node: Node) -> None:
    sources = space.sources(position)
    wanted = len(sources) if space.edges_per_node is None else space.edges_per_node
    if len(node) != wanted or len({source for _, source in node}) < len(node):
        raise UserError(f"{architecture}: node {position} of {kind} must read {wanted} different sources")
    for operation, source in node:
        if source not in sources:
            raise UserError(
                f"{architecture}: node {position} of {kind} cannot read {source} in space {space.name}; it can read "
                + ", ".join(map(str, sources))
            )
        choices = space.choices_between(kind, position, source)
        if operation not in choices:
            where = "" if space.by_edge is None else f" on the edge from {source} to node {position} of {kind}"
            raise UserError(
                f"{architecture}: {operation} is no choice of space {space.name}{where}; it has {', '.join(choices)}"
            )


def _check_reads(space: CellDeclaration) -> None:
    if (count := len(space.reads)) != space.nodes:
        raise ValueError(f"edges has {count} lists of sources, but there are {space.nodes} nodes; give a list for each")
    for node, sources in enumerate(space.reads):
        last = space.inputs + node - 1
        for source in sources:
            if not 0 <= source <= last:
                raise ValueError(f"edges: node {node} cannot read {source}, only 0 to {last} come before it")
        # operations by edge are declared in this order
        if not sources or list(sources) != sorted(set(sources)):
            raise ValueError(
                f"edges: node {node} reads {list(sources)}; name one or more of 0 to {last}, each once and ascending"
            )


def _check_edges_per_node(space: CellDeclaration) -> None:
    if space.edges_per_node is None:
        return
    if space.edges_per_node < 1:
        raise ValueError(f"edges_per_node is {space.edges_per_node}; a node keeps at least 1 edge")
    for node in range(space.nodes):
        if space.edges_per_node > len(space.sources(node)):
            raise ValueError(
                f"edges_per_node is {space.edges_per_node}, but node {node} can read no more than "
                f"{len(space.sources(node))} of the inputs and nodes before it; lower it, or say all"
            )


def _check_concat(space: CellDeclaration) -> None:
    concat = space.concat
    if space.inputs == 1 and concat != whole_output(space.inputs, space.nodes):
        words = "but the output of a one-input cell is its last node; leave concat out"
        raise ValueError(f"concat is {list(concat)}, {words}")
    if not concat or len(set(concat)) < len(concat) or not set(concat) <= set(range(space.nodes)):
        raise ValueError(
            f"concat is {list(concat)}; it must name one or more of the nodes 0 to {space.nodes - 1}, each once"
        )


def _check_operations(space: CellDeclaration) -> None:
    if space.by_edge is not None:
        _check_by_edge(space, space.by_edge)
    for operation in space.operations:
        known("operation", operation, OPERATIONS)
    if len(set(space.operations)) < len(space.operations):
        raise ValueError(f"an operation stands twice in {list(space.operations)}")
    edges = [(kind, *edge) for kind in space.kinds for edge in space.edges()]
    choices = [(edge, space.choices_between(*edge)) for edge in edges]
    beside = "" if space.none_is_choice else " beside `none`"
    if all(len(found) < 2 for _, found in choices):
        raise ValueError(f"operations {list(space.operations)} leave nothing to choose; name at least two{beside}")
    for (kind, node, source), found in choices:
        if not found:
            where = f"the edge from {source} to node {node} of {kind}"
            raise ValueError(f"operations: {where} has no choice; name an operation{beside}")
    if not any(OPERATIONS[name] for _, found in choices for name in found):
        raise ValueError(f"none of {list(space.operations)} has weights to learn; add a convolution, say sep_conv_3x3")


def _check_by_edge(space: CellDeclaration, by_edge: Mapping[str, tuple[tuple[str, ...], ...]]) -> None:
    if set(by_edge) != set(space.kinds):
        kinds = f"cells with {_inputs(space.inputs)} have {' and '.join(space.kinds)}"
        raise ValueError(f"operations are given for the kinds {sorted(by_edge)}; {kinds}")
    edges = space.edges()
    for kind, rows in by_edge.items():
        if len(rows) != len(edges):
            raise ValueError(
                f"operations of {kind} has {len(rows)} lists, but a cell has {len(edges)} edges, node by node; "
                "give a list for each"
            )
        for (node, source), names in zip(edges, rows, strict=True):
            if len(set(names)) < len(names):
                where = f"the edge from {source} to node {node} of {kind}"
                raise ValueError(f"operations: an operation stands twice on {where}: {list(names)}")
    union = {name for names_of_edges in by_edge.values() for names in names_of_edges for name in names}
    if set(space.operations) != union:
        raise ValueError(f"operations {list(space.operations)} are not those of the edges: {sorted(union)}")


def _inputs(count: int) -> str:
    return "one input (a cell)" if count == 1 else "two inputs (normal and reduce)"
