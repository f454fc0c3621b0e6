"""What a made-up accuracy misses most is what perturbation-based selection keeps."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from small_supernets import supernet
from torch import Tensor

from nas_steps.config.strategies import Darts, PcDarts
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.models.cells.supernet import Supernet
from nas_steps.search.darts.learner import learner_of
from nas_steps.search.darts.perturbation import select
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import CellSpace


class Judge:
    """The accuracy is the worth of what is left: each operation of each edge has its own worth."""

    def __init__(self, space: CellSpace, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        shape = (len(space.edges()), len(space.operations))
        self.worth = {kind: torch.rand(shape, generator=generator, dtype=torch.float64) for kind in space.kinds}
        self.asked = 0
        self.tuned: list[dict[str, Tensor]] = []

    def accuracy(self, mix: Mix) -> float:
        self.asked += 1
        return sum(((weights > 0) * self.worth[kind]).sum().item() for kind, weights in mix.weights.items())

    def tune(self, mix: Mix) -> None:
        self.tuned.append({kind: weights.clone() for kind, weights in mix.weights.items()})


def decisions(space: CellSpace) -> int:
    nodes = [len(space.sources(node)) for node in range(space.nodes)]
    cut = 0 if space.edges_per_node is None else sum(count > space.edges_per_node for count in nodes)
    return len(space.kinds) * (len(space.edges()) + cut)


def expected(net: Supernet) -> Mix:
    with torch.no_grad():
        settings = PcDarts(parts=2) if net.betas else Darts()
        return learner_of(settings.kind)(net, settings).expected()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("k", [1, 2])
def test_the_most_missed_operations_and_edges_are_kept(preset: str, k: int) -> None:
    space = PRESETS[preset]
    if k > 1 and preset not in ("small", "nasbench201"):
        space = PRESETS["small"].replace(nodes=2)
    net = supernet(space, k=k)
    judge = Judge(space)
    found = select(net, expected(net), judge.accuracy, judge.tune, seed=0)
    assert space.parse(str(found)) == found
    for kind, cell in found.cells.items():
        best = []
        for place in range(len(space.edges())):
            worths = {name: judge.worth[kind][place, space.operations.index(name)].item() for name in
                      space.choices_of(kind, place)}  # fmt: skip
            best.append(max(worths.items(), key=lambda pair: pair[1]))
        for node, edges in enumerate(cell):
            incoming = [place for place, (reader, _) in enumerate(space.edges()) if reader == node]
            kept = sorted(incoming, key=lambda place: -best[place][1])[: space.edges_per_node]
            assert set(edges) == {(best[place][0], space.edges()[place][1]) for place in kept}


@pytest.mark.parametrize("preset", PRESETS)
def test_the_weights_learn_after_each_decision_under_what_is_left(preset: str) -> None:
    space = PRESETS[preset]
    net = supernet(space)
    mix = expected(net)
    judge = Judge(space)
    select(net, mix, judge.accuracy, judge.tune, seed=0)
    assert len(judge.tuned) == decisions(space)
    edges = len(space.edges())
    open_edges = [
        sum((weights[place] > 0).sum().item() > 1 for weights in left.values() for place in range(edges))
        for left in judge.tuned
    ]
    # one edge is decided at a time, and none is opened again
    undecided = sum(sum(row) > 1 for kind in space.kinds for row in space.allowed(kind))
    assert open_edges[0] >= undecided - 1
    assert all(before - after in (0, 1) for before, after in pairwise(open_edges))
    assert open_edges[-1] == 0
    # the others keep their strength, and so does a decided edge
    first = judge.tuned[0]
    changed = [(kind, place) for kind in first for place in range(edges)
               if not torch.equal(first[kind][place], mix.weights[kind][place])]  # fmt: skip
    assert len(changed) <= 1
    for kind, place in changed:
        torch.testing.assert_close(first[kind][place].sum(), mix.weights[kind][place].sum())


def test_edges_are_decided_in_an_order_that_the_seed_draws() -> None:
    space = PRESETS["small"]
    net = supernet(space)

    def order(seed: int) -> list[tuple[str, int]]:
        judge = Judge(space)
        select(net, expected(net), judge.accuracy, judge.tune, seed)
        found: list[tuple[str, int]] = []
        for left in judge.tuned:
            for kind, weights in left.items():
                for place, row in enumerate(weights):
                    if (row > 0).sum() == 1 and (kind, place) not in found:
                        found.append((kind, place))
        return found

    assert order(0) == order(0)
    assert order(0) != order(1)
    assert len(order(0)) == 2 * 9


def test_every_choice_of_every_edge_is_tried_once() -> None:
    space = PRESETS["small"]
    net = supernet(space)
    judge = Judge(space)
    select(net, expected(net), judge.accuracy, judge.tune, seed=0)
    # nodes 1 and 2 read 3 and 4 sources, of which they keep two
    assert judge.asked == 2 * (9 * 5 + 3 + 4)


def test_the_supernet_and_the_mix_are_as_before() -> None:
    space = PRESETS["small"]
    net = supernet(space)
    mix = expected(net)
    before = {kind: weights.clone() for kind, weights in mix.weights.items()}
    alphas = {kind: weights.detach().clone() for kind, weights in net.alphas.items()}
    judge = Judge(space)
    select(net, mix, judge.accuracy, judge.tune, seed=0)
    assert all(torch.equal(mix.weights[kind], before[kind]) for kind in before)
    assert all(torch.equal(net.alphas[kind], alphas[kind]) for kind in alphas)


def test_what_an_alpha_says_counts_for_nothing_against_what_is_missed() -> None:
    space = CellSpace("s", ("skip_connect", "nor_conv_1x1"), 1, None)
    net = supernet(space)
    with torch.no_grad():
        for alpha in net.alphas.values():
            alpha[:, 0], alpha[:, 1] = 5.0, -5.0
    judge = Judge(space)
    for kind in judge.worth:
        judge.worth[kind][:, 0], judge.worth[kind][:, 1] = 0.1, 0.9
    found = select(net, expected(net), judge.accuracy, judge.tune, seed=0)
    assert {name for cell in found.cells.values() for edges in cell for name, _ in edges} == {"nor_conv_1x1"}
