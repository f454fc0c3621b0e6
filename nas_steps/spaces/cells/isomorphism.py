"""The identity of a network of cells, which two architectures share exactly if they are isomorphic."""

from nas_steps.spaces.cells.architectures import Cell, CellArchitecture, Node


def identity(architecture: CellArchitecture) -> str:
    """Return a string that is equal for isomorphic architectures and differs otherwise.

    Two-input cells are isomorphic if a renumbering of the nodes makes edges, operations and concatenated nodes agree;
    the identity is the renumbered architecture.

    One-input cells follow NAS-Bench-201's own rule (Dong & Yang 2020; `to_unique_str` of its code with zeros: 6,466
    classes of its 15,625 strings). A node is a sum of expressions, a skip connection is its source's expression, and
    `none` or an operation on a single zero is a zero. As in the original, a sum of zeros is not simplified.
    """
    if architecture.inputs == 1:
        return _expression(architecture.cells["cell"])
    cells, concat = {}, {}
    for kind, cell in architecture.cells.items():
        cells[kind], concat[kind] = _renumbered(cell, frozenset(architecture.concat[kind]))
    return str(CellArchitecture(cells, concat))


def _expression(cell: Cell) -> str:
    """Spell the last node as an expression in the input, 0; `#` is a zero."""
    known = ["0"]
    for node in cell:
        terms = []
        for operation, source in node:
            if operation == "none" or known[source] == "#":
                terms.append("#")
            elif operation == "skip_connect":
                terms.append(known[source])
            else:
                terms.append(f"({known[source]})@{operation}")
        known.append("+".join(sorted(terms)))
    return known[-1]


def _renumbered(cell: Cell, concat: frozenset[int]) -> tuple[Cell, tuple[int, ...]]:
    """Renumber the nodes in the order that is smallest, compared node by node, dropping larger orders on the way."""
    readers = [
        sorted((place, operation) for place, node in enumerate(cell) for operation, source in node if source == 2 + own)
        for own in range(len(cell))
    ]
    # the old places of the nodes in the order of their new numbers
    orders: list[tuple[int, ...]] = [()]
    best: list[tuple[Node, bool]] = []
    for _ in range(len(cell)):
        found: dict[tuple[Node, bool], list[tuple[int, ...]]] = {}
        for order in orders:
            numbers = {0: 0, 1: 1} | {2 + place: 2 + number for number, place in enumerate(order)}
            tried = set()
            for place, node in enumerate(cell):
                if place in order or any(source not in numbers for _, source in node):
                    continue
                edges = sorted((numbers[source], operation) for operation, source in node)
                told = (tuple((operation, source) for source, operation in edges), place in concat)
                alike = (told, tuple(readers[place]))
                # nodes with the same edges and readers are interchangeable
                if alike not in tried:
                    tried.add(alike)
                    found.setdefault(told, []).append((*order, place))
        smallest = min(found, key=lambda told: ([(source, operation) for operation, source in told[0]], told[1]))
        best.append(smallest)
        orders = found[smallest]
    return tuple(node for node, _ in best), tuple(number for number, (_, output) in enumerate(best) if output)
