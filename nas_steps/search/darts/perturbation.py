"""DARTS-PT: keep the operation that the supernet misses most, not that of the largest alpha (Wang et al. 2021)."""

from collections.abc import Callable
from random import Random

from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.models.cells.supernet import Supernet
from nas_steps.provenance.seeds import derive_seed
from nas_steps.spaces.cells.space import CellArchitecture, Node

#: how good the supernet is under a mix
Accuracy = Callable[[Mix], float]


def select(
    supernet: Supernet, expected: Mix, accuracy: Accuracy, tune: Callable[[Mix], None], seed: int
) -> CellArchitecture:
    """Keep by edge, in random order, the operation without which `accuracy` falls most; then the edges by node.

    After each decision `tune` lets the weights learn under the rest."""
    space = supernet.space
    random = Random(derive_seed(seed, "perturbation"))
    weights = {kind: mix.detach().clone() for kind, mix in expected.weights.items()}
    edges = space.edges()

    def without(kind: str, *place: int) -> float:
        changed = weights[kind].clone()
        changed[place] = 0
        return accuracy(Mix({**weights, kind: changed}, None, expected.around))

    chosen: dict[str, list[str]] = {kind: [""] * len(edges) for kind in space.kinds}
    places = [(kind, edge) for kind in space.kinds for edge in range(len(edges))]
    random.shuffle(places)
    for kind, edge in places:
        name = min(space.choices_of(kind, edge), key=lambda one: without(kind, edge, space.operations.index(one)))
        chosen[kind][edge] = name
        strength = weights[kind][edge].sum()  # the edge keeps it
        weights[kind][edge] = 0
        weights[kind][edge, space.operations.index(name)] = strength
        tune(Mix(weights, None, expected.around))
    nodes = [(kind, node) for kind in space.kinds for node in range(space.nodes)]
    random.shuffle(nodes)
    for kind, node in nodes:
        incoming = [edge for edge, (reader, _) in enumerate(edges) if reader == node]
        if space.edges_per_node is None or len(incoming) <= space.edges_per_node:
            continue
        missed = sorted(incoming, key=lambda edge: without(kind, edge))
        for edge in missed[space.edges_per_node :]:
            chosen[kind][edge] = ""
            weights[kind][edge] = 0
        tune(Mix(weights, None, expected.around))

    def node_of(kind: str, node: int) -> Node:
        named = zip(chosen[kind], edges, strict=True)
        return tuple((name, source) for name, (reader, source) in named if name and reader == node)

    cells = {kind: tuple(node_of(kind, node) for node in range(space.nodes)) for kind in space.kinds}
    return space.check(CellArchitecture(cells, dict.fromkeys(cells, space.concat)))
