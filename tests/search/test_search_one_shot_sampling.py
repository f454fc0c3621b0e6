"""What each sampling of a supernet's paths promises."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

import pytest

from nas_steps.config.load import load
from nas_steps.errors import UserError
from nas_steps.search.one_shot.sampling import Fair, Sandwich, Uniform, sampling
from nas_steps.spaces.cells.presets import PRESETS as CELLS
from nas_steps.spaces.mobile.architectures import Operation
from nas_steps.spaces.mobile.presets import PRESETS
from nas_steps.spaces.mobile.space import MobileArchitecture, MobileSpace

MACRO, SMALL = PRESETS["nasbench_macro"], PRESETS["mobile_small"]


def operations(architecture: MobileArchitecture) -> list[Operation | None]:
    return [block.operation for stage in architecture.stages for block in stage]


@pytest.mark.parametrize("step", range(5))
def test_a_fair_step_has_each_choice_of_each_layer_exactly_once(step: int) -> None:
    paths = Fair(MACRO, seed=3).paths(step)
    assert len(paths) == 3
    for layer in zip(*map(operations, paths), strict=True):
        assert Counter(layer) == Counter([None, Operation(3, 3.0), Operation(5, 6.0)])


def test_a_fair_step_of_cells_has_each_operation_of_each_edge_exactly_once() -> None:
    space = CELLS["nasbench201"]
    paths = Fair(space, seed=0).paths(7)
    for edge in zip(*(space.decided(path) for path in paths), strict=True):
        assert sorted(edge) == list(range(5))


def test_layers_with_fewer_choices_take_each_as_often_or_once_more() -> None:
    fair = Fair(SMALL, seed=0)
    assert fair.count == 8
    counts = fair.sites.counts
    seen: list[Counter[int]] = [Counter() for _ in counts]
    for step in range(6):
        for place in range(fair.count):
            for site in range(len(counts)):
                seen[site][fair._choice(site, step * fair.count + place)] += 1
        for site, choices in enumerate(counts):
            often = [seen[site][choice] for choice in range(choices)]
            assert max(often) - min(often) <= (0 if fair.count % choices == 0 else 1)
    # numbers that divide 8, and one that does not
    assert {1, 2, 3, 4, 8} == set(counts)


def test_permutations_of_layers_are_independent() -> None:
    fair = Fair(MACRO, seed=0)
    pairs = Counter(tuple(map(str, operations(fair.paths(step)[0])[:2])) for step in range(300))
    assert len(pairs) == 9
    assert min(pairs.values()) > 15


@pytest.mark.parametrize("name", ["uniform", "fair", "sandwich"])
def test_a_step_draws_the_same_whatever_came_before(name: str) -> None:
    one, other = (sampling(name, SMALL, seed=5) for _ in range(2))
    for step in range(4):
        one.paths(step)
    assert one.paths(7) == other.paths(7)
    assert one.paths(7) != one.paths(8)
    assert sampling(name, SMALL, seed=6).paths(7) != one.paths(7)
    assert len(one.paths(0)) == one.count


def test_uniform_draws_one_and_the_sandwich_begins_with_its_bread() -> None:
    assert len(Uniform(MACRO, 0).paths(0)) == 1
    sandwich = Sandwich(SMALL, 0, between=3)
    paths = sandwich.paths(11)
    assert len(paths) == 5
    assert [str(one) for one in paths[:2]] == [
        "stem_k3_c16_relu/mb_r2_k5_e4_c16/mb_r3_k5_s2_e4_c24_se0.25/mb_r3_k5_s2_e4_c48_se0.25/head_c192",
        "stem_k3_c16_relu/mb_k3_e2_c16/mb_k3_s2_e2_c24/mb_k3_s2_e2_c48/head_c192",
    ]


def test_extremes_are_architectures_of_their_space() -> None:
    for space in PRESETS.values():
        for extreme in (space.largest(), space.smallest()):
            assert space.parse(str(extreme)) == extreme
    assert set(operations(MACRO.largest())) == {Operation(5, 6.0)}
    assert set(operations(MACRO.smallest())) == {None}


def test_the_choices_of_all_places_make_every_architecture() -> None:
    space = MobileSpace.declare(
        "few",
        {
            "stem": {"width": 8},
            "stages": [{"width": [8, 16], "depth": [1, 2], "kernel": [3, 5]}, {"width": 8, "stride": [1, 2]}],
            "head": {"width": 16},
        },
    )
    places = space.sites()
    found = {str(places.made(indices)) for indices in product(*map(range, places.counts))}
    assert len(found) == space.size()
    for text in found:
        space.parse(text)


def refused(space: dict[str, Any], supernet: dict[str, Any], strategies: dict[str, Any] | None = None) -> str:
    estimator = {"kind": "shared_weights", "supernet": supernet}
    if strategies is None:
        strategies = {"random": {}, "evolution": {}}
    with pytest.raises(UserError) as told:
        load({"data": {"resolution": 32}, "space": space, "search": {"estimator": estimator, "strategies": strategies}})
    return str(told.value)


def test_what_a_space_does_not_allow_is_refused_in_words() -> None:
    cells = {"preset": "nasbench201"}
    assert "none is the largest or the smallest" in refused(cells, {"sampling": "sandwich"})
    assert "no blocks that could share" in refused(cells, {"entangled": True})
    assert "choose which edges they keep" in refused({"preset": "small"}, {"sampling": "fair"})
    crossed = {"preset": "nasbench_macro", "stages": [{"width": 64, "operations": ["k3_e6", "k5_e3"]}]}
    assert "layer 1 of stage 1 has no largest choice" in refused(crossed, {"sampling": "sandwich"})
    macro = {"preset": "nasbench_macro"}
    assert "resolution is 4" in refused(macro, {"resolution": 4})
    assert "give it a number" in refused(cells, {}, {"random": {}, "gdas": {}})
    assert "warmup_epochs" in refused(macro, {"epochs": 1})
