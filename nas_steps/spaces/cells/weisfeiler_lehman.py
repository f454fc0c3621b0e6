"""The Weisfeiler-Lehman labels of cells: how often each surrounding of an operation occurs."""

from collections import Counter
from collections.abc import Iterator

from nas_steps.spaces.cells.architectures import Cell, CellArchitecture

#: rounds of relabelling; the labels of each are a group of their own
LEVELS = 2


def label_counts(architecture: CellArchitecture) -> list[Counter[str]]:
    """Count the labels of each level from 0 to LEVELS (Ru et al. 2021, section 3.1; Shervashidze et al. 2011).

    The graph's vertices are the operations, the cell's inputs and its output; its edges are the tensors between them.
    Skip connections are edges, and `none` and what leads to no output are left out. A vertex is labelled by its
    operation, then by its label and those of the vertices that it reads. The skip connections from a reduction cell's
    inputs are strided convolutions, thus vertices.
    """
    counts: list[Counter[str]] = [Counter() for _ in range(LEVELS + 1)]
    for kind, cell in architecture.cells.items():
        reads = _graph(cell, architecture.inputs, architecture.concat[kind], strided=kind == "reduce")
        labels = {vertex: f"{kind}:{name}" for vertex, (name, _) in reads.items()}
        for level in range(LEVELS + 1):
            counts[level].update(labels.values())
            labels = {
                vertex: f"{labels[vertex]}({','.join(sorted(labels[one] for one in sources))})"
                for vertex, (_, sources) in reads.items()
            }
    return counts


def _graph(cell: Cell, inputs: int, concat: tuple[int, ...], *, strided: bool) -> dict[str, tuple[str, list[str]]]:
    """Return by vertex its name and the vertices that it reads, of all vertices that lead to the output."""
    made: dict[str, tuple[str, list[str]]] = {f"input {number}": (f"input {number}", []) for number in range(inputs)}
    produced = [[vertex] for vertex in made]
    for node in cell:
        producers: list[str] = []
        for operation, source in node:
            if operation == "none" or not produced[source]:
                continue
            if operation == "skip_connect" and not (strided and source < inputs):
                producers += produced[source]
            else:
                vertex = f"operation {len(made)}"
                made[vertex] = (operation, produced[source])
                producers.append(vertex)
        produced.append(producers)
    made["output"] = ("output", [vertex for node in concat for vertex in produced[inputs + node]])
    return {vertex: made[vertex] for vertex in _behind("output", made)}


def _behind(start: str, made: dict[str, tuple[str, list[str]]]) -> Iterator[str]:
    """Yield a vertex and all that it reads, directly or not, each once."""
    waiting, met = [start], {start}
    while waiting:
        vertex = waiting.pop()
        yield vertex
        new = [one for one in made[vertex][1] if one not in met]
        met.update(new)
        waiting += dict.fromkeys(new)
