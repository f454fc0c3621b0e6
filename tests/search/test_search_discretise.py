"""From alphas to architectures, against every architecture of a tiny space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, product
from random import Random

import pytest

from nas_steps.search.darts.discretise import entropy, entropy_of_gates, most_likely, parameter_free
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import Cell, CellArchitecture, CellSpace

SPACE = CellSpace("tiny", ("none", "skip_connect", "nor_conv_1x1"), nodes=2)  # 48 cells, 2304 architectures


def softmax(alphas: Sequence[Sequence[float]]) -> list[list[float]]:
    powers = [[math.exp(value) for value in row] for row in alphas]
    return [[power / sum(row) for power in row] for row in powers]


def all_cells() -> list[Cell]:
    nodes = [
        [
            tuple(zip(chosen, kept, strict=True))
            for kept in combinations(SPACE.sources(node), 2)
            for chosen in product(SPACE.choices, repeat=2)
        ]
        for node in range(SPACE.nodes)
    ]
    return [tuple(cell) for cell in product(*nodes)]


def likelihood(cell: Cell, mix: list[list[float]]) -> float:
    row = {edge: mix[index] for index, edge in enumerate(SPACE.edges())}
    return sum(
        math.log(row[node, source][SPACE.operations.index(operation)])
        for node, edges in enumerate(cell)
        for operation, source in edges
    )


@pytest.mark.parametrize("seed", range(3))
def test_most_likely_equals_brute_force(seed: int) -> None:
    random = Random(seed)
    mixes = {
        kind: softmax([[random.gauss(0, 1.5) for _ in SPACE.operations] for _ in SPACE.edges()])
        for kind in ("normal", "reduce")
    }
    cells = all_cells()
    assert len(cells) ** 2 == SPACE.size()
    scored = {kind: [(likelihood(cell, mix), cell) for cell in cells] for kind, mix in mixes.items()}
    everything = [
        (left + right, str(CellArchitecture({"normal": normal, "reduce": reduce})))
        for (left, normal), (right, reduce) in product(scored["normal"], scored["reduce"])
    ]
    everything.sort(reverse=True)
    found = most_likely(SPACE, mixes, 40)
    assert str(found[0][0]) == everything[0][1]
    assert [str(architecture) for architecture, _ in found] == [text for _, text in everything[:40]]
    assert [score for _, score in found] == pytest.approx([score for score, _ in everything[:40]])


def test_none_is_never_chosen_however_likely() -> None:
    mixes = {kind: softmax([[9.0, 0.0, 1.0]] * len(SPACE.edges())) for kind in ("normal", "reduce")}
    (found, _), *_ = most_likely(SPACE, mixes, 1)
    assert {operation for node in found.cells["normal"] for operation, _ in node} == {"nor_conv_1x1"}


def test_more_than_there_are_gives_all_once() -> None:
    space = CellSpace("tiny", ("skip_connect", "nor_conv_1x1"), nodes=1)
    mixes = {kind: softmax([[0.1, 0.3], [0.7, -0.2]]) for kind in ("normal", "reduce")}
    assert len({str(architecture) for architecture, _ in most_likely(space, mixes, 100)}) == space.size() == 16


def test_entropy_from_undecided_to_decided() -> None:
    assert entropy([[0.25] * 4] * 3) == pytest.approx(math.log(4))
    assert entropy([[1.0, 0.0, 0.0]]) == 0
    assert entropy([[1.0, 0.0], [0.5, 0.5]]) == pytest.approx(math.log(2) / 2)
    # what an edge weighs as a whole has no say
    assert entropy([[0.1] * 4, [0.3] * 4]) == pytest.approx(math.log(4))


def test_gates_are_undecided_in_the_middle_and_decided_at_both_ends() -> None:
    every = [[True] * 4]
    assert entropy_of_gates([[0.5] * 4], every) == pytest.approx(math.log(4))
    assert entropy_of_gates([[1.0, 0.0, 1.0, 0.0]], every) == 0
    # one of four gates is open: a quarter of the largest; an operation that the edge cannot have is none
    assert entropy_of_gates([[0.5, 0.0, 1.0, 0.0]], every) == pytest.approx(math.log(4) / 4)
    assert entropy_of_gates([[0.5, 0.5, 0.0]], [[True, True, False]]) == pytest.approx(math.log(2))
    share = -(0.2 * math.log(0.2) + 0.8 * math.log(0.8)) / math.log(2)
    assert entropy_of_gates([[0.2] * 3, [0.5] * 3], [[True] * 3] * 2) == pytest.approx(math.log(3) * (share + 1) / 2)


def test_parameter_free_share() -> None:
    node = (("skip_connect", 0), ("nor_conv_1x1", 1))
    assert parameter_free((node, node)) == 0.5
    assert parameter_free((node, (("max_pool_3x3", 0), ("skip_connect", 1)))) == 0.75
    assert parameter_free(((("sep_conv_3x3", 0), ("nor_conv_1x1", 1)),)) == 0


@pytest.mark.parametrize("name", PRESETS)
def test_the_likeliest_of_every_preset_takes_the_strongest_choices(name: str) -> None:
    space = PRESETS[name]
    random = Random(0)
    mixes = {}
    for kind in space.kinds:
        mixes[kind] = []
        for row in space.allowed(kind):
            powers = [math.exp(random.gauss(0, 1)) * allowed for allowed in row]
            mixes[kind].append([power / sum(powers) for power in powers])
    found = most_likely(space, mixes, 20)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert len({str(space.check(architecture)) for architecture, _ in found}) == 20
    best = found[0][0]
    for kind in space.kinds:
        rows = dict(zip(space.edges(), mixes[kind], strict=True))
        strongest = {
            edge: max((rows[edge][space.operations.index(one)], one) for one in space.choices_of(kind, index))
            for index, edge in enumerate(space.edges())
        }
        for node, edges in enumerate(best.cells[kind]):
            count = space.edges_per_node or len(space.sources(node))
            kept = sorted(space.sources(node), key=lambda source: -strongest[node, source][0])[:count]
            assert edges == tuple((strongest[node, source][1], source) for source in sorted(kept))


def test_most_likely_of_one_input_cells_equals_brute_force() -> None:
    space = CellSpace("one", ("none", "skip_connect", "nor_conv_1x1"), 2, None, inputs=1)
    random = Random(3)
    mix = softmax([[random.gauss(0, 1) for _ in space.operations] for _ in space.edges()])
    everything = sorted(
        (
            (sum(math.log(row[index]) for row, index in zip(mix, chosen, strict=True)), chosen)
            for chosen in product(range(3), repeat=3)
        ),
        reverse=True,
    )
    spelled = "|{}~0|+|{}~0|{}~1|"
    found = most_likely(space, {"cell": mix}, 100)
    assert len(found) == 27
    assert [str(architecture) for architecture, _ in found] == [
        spelled.format(*(space.operations[index] for index in chosen)) for _, chosen in everything
    ]


def test_most_likely_of_many_kept_edges_takes_no_time() -> None:
    space = PRESETS["darts"].replace(nodes=8, edges_per_node=None)
    mixes = {kind: softmax([[0.1 * index for index in range(8)]] * len(space.edges())) for kind in space.kinds}
    ((best, _), *_) = most_likely(space, mixes, 10)
    assert {operation for cell in best.cells.values() for node in cell for operation, _ in node} == {"dil_conv_5x5"}


def test_none_is_no_connection_and_so_neither_free_nor_not() -> None:
    assert parameter_free(((("none", 0),), (("none", 0), ("nor_conv_1x1", 1)))) == 0
    assert parameter_free(((("skip_connect", 0),), (("none", 0), ("nor_conv_1x1", 1)))) == 0.5
    assert parameter_free(((("none", 0),),)) == 1
