"""Cells as decisions and as numbers: on every preset."""

from __future__ import annotations

from random import Random

import pytest

from benchmarks.cached import CachedSpace
from nas_steps.spaces.cells.encoding import LARGEST_PATHS
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.protocol import members, walk

SMALLEST = CellSpace("smallest", ("skip_connect", "nor_conv_1x1"), nodes=1)
SPARSE = CellSpace("sparse", ("none", "skip_connect", "nor_conv_1x1"), nodes=2, reads=((1,), (0, 2)), edges_per_node=1)
SPACES = {**PRESETS, "smallest": SMALLEST, "sparse": SPARSE}
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


@every_space
def test_an_architecture_is_the_choices_that_make_it(space: CellSpace) -> None:
    random = Random(1)
    for _ in range(100):
        architecture = space.sample(random)
        choices = space.decided(architecture)
        assert space.decode(choices) == architecture
        for place, choice in enumerate(choices):
            decision = space.decision(choices[:place])
            assert decision is not None
            assert choice in decision.allowed
        assert space.decision(choices) is None


@every_space
def test_whatever_is_chosen_makes_a_member_of_the_space(space: CellSpace) -> None:
    random = Random(2)
    options: dict[str, tuple[str, ...]] = {}
    for _ in range(100):
        choices = walk(space, random)
        architecture = space.check(space.decode(choices))
        assert space.decided(architecture) == choices
        for place in range(len(choices)):
            decision = space.decision(choices[:place])
            assert decision is not None
            # decisions of one kind share their options
            assert options.setdefault(decision.kind, decision.options) == decision.options
            assert set(decision.allowed) <= set(range(len(decision.options)))


@pytest.mark.parametrize("space", [SMALLEST, SPARSE, SPARSE.replace(none_is_choice=True, edges_per_node=1)])
def test_the_choices_reach_every_architecture_once(space: CellSpace) -> None:
    found = list(map(str, members(space)))
    assert len(found) == len(set(found)) == space.size()


def test_choices_that_are_not_complete_are_refused() -> None:
    with pytest.raises(ValueError, match="smallest is 4 choices"):
        SMALLEST.decode([0, 0])


@every_space
def test_encodings_of_a_space_are_equally_long_and_tell_its_architectures_apart(space: CellSpace) -> None:
    random = Random(3)
    architectures = {str(one): one for one in (space.sample(random) for _ in range(200))}
    encoded = {tuple(space.encode(one)) for one in architectures.values()}
    assert len(encoded) == len(architectures)
    assert len({len(one) for one in encoded}) == 1
    edges = len(space.kinds) * len(space.edges()) * len(space.choices)
    assert len(next(iter(encoded))) - edges <= LARGEST_PATHS


def test_the_paths_of_a_nasbench201_cell() -> None:
    space = PRESETS["nasbench201"]
    architecture = space.parse(
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_1x1~2|"
    )
    encoded = space.encode(architecture)
    computing = [name for name in space.operations if name != "none"]
    assert len(encoded) == 6 * 5 + 4 + 4**2 + 4**3
    paths = encoded[6 * 5 :]
    one = computing.index
    expected = {
        one("avg_pool_3x3"),
        4 + 4 * one("nor_conv_3x3") + one("nor_conv_1x1"),
        20 + 16 * one("nor_conv_3x3") + 4 * one("skip_connect") + one("nor_conv_1x1"),
    }
    assert {place for place, value in enumerate(paths) if value} == expected
    assert sum(encoded[: 6 * 5]) == 6


def test_a_path_ends_at_any_node_of_the_output_and_none_is_no_path() -> None:
    space = CellSpace("one output", ("none", "nor_conv_1x1", "skip_connect"), nodes=2, concat=(1,), none_is_choice=True)
    architecture = space.parse(
        "normal:|nor_conv_1x1~0|none~1|+|nor_conv_1x1~0|skip_connect~2|concat=1;"
        "reduce:|none~0|none~1|+|skip_connect~1|none~2|concat=1"
    )
    found = {path for path, place in space._path_places.items() if space.encode(architecture)[place]}
    assert found == {
        ("normal", 0, "nor_conv_1x1"),
        ("normal", 0, "nor_conv_1x1", "skip_connect"),
        ("reduce", 1, "skip_connect"),
    }


@pytest.mark.parametrize("space", [PRESETS["nasbench201"], PRESETS["darts"]], ids=["nasbench201", "darts"])
def test_a_remembering_space_is_the_space(space: CellSpace) -> None:
    remembering = CachedSpace(space)
    first, second = Random(4), Random(4)
    for _ in range(20):
        one, other = space.sample(first), remembering.sample(second)
        assert one == other == remembering.parse(str(one))
        assert space.mutate(one, first) == remembering.mutate(other, second)
        for _ in range(2):  # the second time from memory
            assert remembering.identity(other) == space.identity(one)
            assert remembering.encode(other) == space.encode(one)
            choices = remembering.decided(other)
            assert choices == space.decided(one)
            assert remembering.decode(choices) == one
            assert remembering.decision(choices[:2]) == space.decision(choices[:2])
            assert remembering.decision(choices) is None
    assert (remembering.name, remembering.size()) == (space.name, space.size())
