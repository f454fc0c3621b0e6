"""The uniform sample: no two isomorphic, all that there are, the same first ones for any size."""

from __future__ import annotations

import math

from nas_steps.search.uniform import draw
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.mobile.presets import PRESETS as MOBILE_PRESETS
from nas_steps.spaces.protocol import members

SPACE = PRESETS["nasbench201"].replace(nodes=2)


def test_no_two_of_the_sample_are_isomorphic_and_a_larger_one_begins_with_a_smaller() -> None:
    drawn = draw(SPACE, 20, seed=0)
    assert len({SPACE.identity(SPACE.parse(one)) for one in drawn}) == 20
    assert draw(SPACE, 8, seed=0) == drawn[:8]
    assert draw(SPACE, 20, seed=1) != drawn


def test_a_sample_larger_than_the_space_is_all_that_differ() -> None:
    different = {SPACE.identity(one) for one in members(SPACE)}
    assert len(different) < SPACE.size() == 125
    drawn = draw(SPACE, 125, seed=0)
    assert {SPACE.identity(SPACE.parse(one)) for one in drawn} == different
    assert len(drawn) == len(different)


def test_every_operation_is_drawn_alike() -> None:
    """Isomorphic doubles aside, which are few in a large space: 5 standard deviations of a fair die."""
    space = PRESETS["small"]
    drawn = [space.parse(one) for one in draw(space, 400, seed=0)]
    names = [name for one in drawn for name, _ in one.cells["normal"][0]]
    expected = len(names) / len(space.operations)
    deviation = math.sqrt(expected * (1 - 1 / len(space.operations)))
    for name in space.operations:
        assert abs(names.count(name) - expected) < 5 * deviation, name


def test_a_mobile_space_is_sampled_too() -> None:
    assert len(set(draw(MOBILE_PRESETS["mobile_small"], 5, seed=0))) == 5
