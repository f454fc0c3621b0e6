"""Spaces as graphs: paths and architectures are the same, and so are the sums of their costs."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest
from limited_spaces import SPACES, table

from nas_steps.spaces.cells import presets as cells
from nas_steps.spaces.constraints import Limited, paths_of
from nas_steps.spaces.mobile import presets as mobile
from nas_steps.spaces.protocol import members

every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
PRESETS: dict[str, Any] = {**cells.PRESETS, **mobile.PRESETS}


@every_space
def test_paths_are_the_architectures_each_once(space: Any) -> None:
    paths = paths_of(space)
    spelled = [str(paths.architecture(path)) for path in paths.every()]
    assert len(spelled) == len(set(spelled)) == space.size()
    assert set(spelled) == {str(one) for one in members(space)}
    for path in paths.every():
        # the arcs of a path are found again, and their order does not matter
        assert paths.path(paths.architecture(path)) == path
        assert paths.architecture(reversed(path)) == paths.architecture(path)


@every_space
def test_the_blocks_of_a_path_are_those_that_the_architecture_is_counted_by(space: Any) -> None:
    blocks = table(space).blocks
    paths = paths_of(space)
    for path in paths.every():
        named = [name for number in path for name in paths.arcs[number].blocks]
        assert named == blocks.of(paths.architecture(path))


@pytest.mark.parametrize("space", PRESETS.values(), ids=PRESETS)
def test_every_preset_has_paths(space: Any) -> None:
    paths = paths_of(space)
    for seed in range(20):
        architecture = space.sample(Random(seed))
        assert paths.architecture(paths.path(architecture)) == architecture


def test_the_terms_of_a_mobile_score_are_settings_and_operations_by_layer() -> None:
    """Told by hand for stages of two and one layers; only what is chosen counts, whatever was chosen before it."""
    paths = paths_of(SPACES["mobile"])
    text = "stem_k3_s2_c8_relu/mb_r2_k5_e1_c12/mb_k3_s2_e2_c12+id/mb_k3_e2.5_c8_hse0.25_hswish/head_c16_l12"
    counts = dict(zip(paths.terms, paths.counts(SPACES["mobile"].parse(text)), strict=True))
    told = {(term[0], str(term[1])) for term, count in counts.items() if count}  # type: ignore[index]
    assert told == {
        ("resolution", "0"),
        ((0, "width"), "12"),
        ((0, "stride"), "1"),
        ((0, "activation"), "relu"),
        ((0, "depth"), "2"),
        ((0, "operation", 0), "k5_e1"),
        ((1, "width"), "12"),
        ((1, "stride"), "2"),
        ((1, "activation"), "relu"),
        ((1, "depth"), "2"),
        ((1, "operation", 0), "k3_e2"),
        ((1, "operation", 1), "None"),
        ((2, "width"), "8"),
        ((2, "stride"), "1"),
        ((2, "activation"), "hswish"),
        ((2, "depth"), "1"),
        ((2, "operation", 0), "k3_e2.5_hse0.25"),
    }
    assert set(counts.values()) == {0.0, 1.0}


def test_the_terms_of_cells_are_the_operations_of_their_edges() -> None:
    space = cells.PRESETS["nasbench201"]
    paths = paths_of(space)
    assert len(paths.terms) == 6 * 5
    text = "|none~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|avg_pool_3x3~2|"
    counts = dict(zip(paths.terms, paths.counts(space.parse(text)), strict=True))
    assert [term for term, count in counts.items() if count] == [
        ("cell", 0, 0, "none"),
        ("cell", 1, 0, "skip_connect"),
        ("cell", 1, 1, "nor_conv_1x1"),
        ("cell", 2, 0, "nor_conv_3x3"),
        ("cell", 2, 1, "none"),
        ("cell", 2, 2, "avg_pool_3x3"),
    ]


def test_a_limited_space_has_the_paths_of_its_space() -> None:
    space = SPACES["mobile"]
    assert paths_of(Limited(space, table(space), {"macs": math.inf})).arcs == paths_of(space).arcs
