"""DARTS-PT: keep what the supernet misses most, not what has the largest alpha (Wang et al. 2021, section 4)."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from torch import Tensor

from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.models.cells.supernet import Supernet
from nas_steps.provenance.seeds import derive_seed
from nas_steps.spaces.cells.space import CellArchitecture

#: how good the supernet is under a mix
Accuracy = Callable[[Mix], float]


def select(
    supernet: Supernet, expected: Mix, accuracy: Accuracy, tune: Callable[[Mix], None], seed: int
) -> CellArchitecture:
    """The architecture that is left when, edge by edge in a random order, all operations but the most missed one are
    taken away, and then, node by node, all edges but the most missed ones.

    After each decision `tune` lets the weights learn under what is left.
    """
    space = supernet.space
    random = Random(derive_seed(seed, "perturbation"))
    weights = {kind: mix.detach().clone() for kind, mix in expected.weights.items()}
    edges = space.edges()

    def left(kind: str, changed: Tensor) -> Mix:
        return Mix({**weights, kind: changed}, None, expected.around)

    chosen: dict[str, list[str]] = {kind: [""] * len(edges) for kind in space.kinds}
    places = [(kind, edge) for kind in space.kinds for edge in range(len(edges))]
    random.shuffle(places)
    for kind, edge in places:
        choices = space.choices_of(kind, edge)
        merits = []
        for name in choices:
            without = weights[kind].clone()
            without[edge, space.operations.index(name)] = 0
            merits.append(accuracy(left(kind, without)))
        name = choices[merits.index(min(merits))]
        chosen[kind][edge] = name
        # the edge keeps its strength
        strength = weights[kind][edge].sum()
        weights[kind][edge] = 0
        weights[kind][edge, space.operations.index(name)] = strength
        tune(Mix(weights, None, expected.around))
    kept: dict[str, set[int]] = {kind: set(range(len(edges))) for kind in space.kinds}
    nodes = [(kind, node) for kind in space.kinds for node in range(space.nodes)]
    random.shuffle(nodes)
    for kind, node in nodes:
        incoming = [edge for edge, (reader, _) in enumerate(edges) if reader == node]
        if space.edges_per_node is None or len(incoming) <= space.edges_per_node:
            continue
        merits = []
        for edge in incoming:
            without = weights[kind].clone()
            without[edge] = 0
            merits.append(accuracy(left(kind, without)))
        missed = sorted(range(len(incoming)), key=lambda place: merits[place])
        for place in missed[space.edges_per_node :]:
            kept[kind].discard(incoming[place])
            weights[kind][incoming[place]] = 0
        tune(Mix(weights, None, expected.around))
    cells = {
        kind: tuple(
            tuple(
                (chosen[kind][edge], source)
                for edge, (reader, source) in enumerate(edges)
                if reader == node and edge in kept[kind]
            )
            for node in range(space.nodes)
        )
        for kind in space.kinds
    }
    return space.check(CellArchitecture(cells, dict.fromkeys(cells, space.concat)))
