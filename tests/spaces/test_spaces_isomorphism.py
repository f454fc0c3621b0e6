"""Which strings stand for the same network: counts of the literature, and small cells by brute force."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from nas_steps.spaces.cells.architectures import Cell, CellArchitecture, parse_architecture
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import CellSpace


def test_nasbench201_has_its_published_number_of_different_cells() -> None:
    space = PRESETS["nasbench201"]
    seen = {
        space.identity(CellArchitecture({"cell": (((a, 0),), ((b, 0), (c, 1)), ((d, 0), (e, 1), (f, 2)))}))
        for a, b, c, d, e, f in itertools.product(space.operations, repeat=6)
    }
    assert len(seen) == 6466


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        # a skip connection is its source
        (
            "|skip_connect~0|+|{0}~0|none~1|+|none~0|none~1|{0}~2|",
            "|none~0|+|{0}~0|none~1|+|none~0|none~1|{0}~2|",
            True,
        ),
        ("|{0}~0|+|none~0|none~1|+|{0}~0|none~1|none~2|", "|none~0|+|none~0|none~1|+|none~0|{0}~1|{0}~2|", False),
        # an operation on a node that is zero is zero
        ("|none~0|+|{0}~0|{0}~1|+|none~0|none~1|{0}~2|", "|none~0|+|{0}~0|none~1|+|none~0|{0}~1|{0}~2|", True),
        ("|{0}~0|+|none~0|{0}~1|+|none~0|none~1|{0}~2|", "|none~0|+|{0}~0|none~1|+|none~0|none~1|{0}~2|", False),
    ],
)
def test_one_input_cells_are_compared_as_nasbench201_does(one: str, other: str, same: bool) -> None:
    first, second = (
        PRESETS["nasbench201"].identity(parse_architecture(text.format("nor_conv_3x3"))) for text in (one, other)
    )
    assert (first == second) == same


def isomorphic(one: tuple[Cell, frozenset[int]], other: tuple[Cell, frozenset[int]]) -> bool:
    """By trying every renumbering of the nodes."""

    def graph(cell: Cell, order: tuple[int, ...]) -> list[tuple[int, int, str]]:
        number = {0: 0, 1: 1} | {2 + place: 2 + order[place] for place in range(len(cell))}
        return sorted(
            (number[2 + place], number[source], operation)
            for place, node in enumerate(cell)
            for operation, source in node
        )

    nodes = len(one[0])
    target = graph(other[0], tuple(range(nodes)))
    return any(
        graph(one[0], order) == target and {order[place] for place in one[1]} == other[1]
        for order in itertools.permutations(range(nodes))
    )


@pytest.mark.parametrize(
    "space",
    [
        CellSpace("pairs", ("skip_connect", "nor_conv_1x1"), 3, 1),
        CellSpace("part", ("skip_connect", "nor_conv_1x1"), 3, 1, concat=(1, 2)),
        CellSpace("two", ("skip_connect", "nor_conv_1x1"), 4, 2),
        CellSpace("all", ("none", "nor_conv_1x1"), 3, None, concat=(0, 2)),
    ],
    ids=lambda space: space.name,
)
def test_two_input_cells_are_the_same_exactly_if_some_renumbering_makes_them_so(space: CellSpace) -> None:
    random = Random(0)
    fixed = space.sample(random).cells["reduce"]
    drawn = [space.sample(random).with_cell("reduce", fixed) for _ in range(120)]
    # few of a large space would be the same by chance
    drawn += [renumbered(one, random) for one in drawn[:40]]
    same = 0
    for one, other in itertools.combinations(drawn, 2):
        truth = isomorphic(*[(each.cells["normal"], frozenset(each.concat["normal"])) for each in (one, other)])
        assert (space.identity(one) == space.identity(other)) == truth
        same += truth
    assert same >= 40


def renumbered(architecture: CellArchitecture, random: Random) -> CellArchitecture:
    """The same normal cell with its nodes in another possible order."""
    cell, order = architecture.cells["normal"], []
    while len(order) < len(cell):
        order.append(
            random.choice(
                [
                    place
                    for place, node in enumerate(cell)
                    if place not in order and all(source < 2 or source - 2 in order for _, source in node)
                ]
            )
        )
    number = {0: 0, 1: 1} | {2 + place: 2 + new for new, place in enumerate(order)}
    moved = tuple(tuple((operation, number[source]) for operation, source in cell[place]) for place in order)
    concat = tuple(number[2 + place] - 2 for place in architecture.concat["normal"])
    return CellArchitecture(
        {"normal": moved, "reduce": architecture.cells["reduce"]}, {**architecture.concat, "normal": concat}
    )


def test_two_nodes_that_compute_the_same_are_not_one() -> None:
    twice = "|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|"
    one = f"{twice}+|nor_conv_1x1~2|nor_conv_1x1~3|"
    other = f"{twice}+|nor_conv_1x1~2|nor_conv_3x3~2|"
    identities = {
        PRESETS["small"].identity(parse_architecture(f"normal:{cell};reduce:{cell}")) for cell in (one, other)
    }
    assert len(identities) == 2


def test_normal_and_reduction_cell_are_not_exchanged() -> None:
    one, other = "|skip_connect~0|skip_connect~1|", "|skip_connect~0|nor_conv_1x1~1|"
    first, second = (parse_architecture(f"normal:{a};reduce:{b}") for a, b in ((one, other), (other, one)))
    assert PRESETS["small"].identity(first) != PRESETS["small"].identity(second)


@pytest.mark.parametrize("space", [space for space in PRESETS.values() if space.inputs == 2], ids=lambda one: one.name)
def test_an_identity_is_an_architecture_with_the_same_identity(space: CellSpace) -> None:
    random = Random(4)
    for _ in range(50):
        architecture = space.sample(random)
        identity = space.identity(architecture)
        assert space.identity(parse_architecture(identity)) == identity
        assert space.identity(renumbered(architecture, random)) == identity


def test_eight_nodes_that_could_stand_in_any_order_take_no_time() -> None:
    space = PRESETS["small"].replace(nodes=8)
    cell = "+".join(["|skip_connect~0|skip_connect~1|"] * 8)
    assert space.identity(space.parse(f"normal:{cell};reduce:{cell}")) == f"normal:{cell};reduce:{cell}"
