"""Spaces in a config: by preset, in part, or declared whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from configs import mobile

from nas_steps.config.derive import space as space_settings
from nas_steps.config.load import load
from nas_steps.config.schema import Config
from nas_steps.config.space import Space, filled
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.declare import declared
from nas_steps.spaces.mobile.presets import DECLARED as MOBILE_DECLARED
from nas_steps.spaces.mobile.presets import PRESETS as MOBILE_PRESETS


def test_a_space_can_be_declared_whole() -> None:
    section = load(
        {
            "space": {
                "inputs": 2,
                "edges": [[0, 1], [0, 2], [1, 2, 3]],
                "operations": {
                    "normal": [["nor_conv_1x1", "skip_connect"]] * 4 + [["none", "nor_conv_3x3"]] * 3,
                    "reduce": ["none", "max_pool_3x3", "nor_conv_1x1"],
                },
                "edges_per_node": "2",
                "concat": [2, 0],
            }
        }
    ).space
    space = declared(filled(section))
    assert (space.inputs, space.nodes, space.edges_per_node, space.concat) == (2, 3, 2, (0, 2))
    assert space.edges() == [(0, 0), (0, 1), (1, 0), (1, 2), (2, 1), (2, 2), (2, 3)]
    assert space.choices_of("normal", 0) == ("nor_conv_1x1", "skip_connect")
    assert [space.choices_of(kind, 6) for kind in space.kinds] == [("nor_conv_3x3",), ("nor_conv_1x1", "max_pool_3x3")]
    assert [sum(row) for row in space.allowed("reduce")] == [3] * 7


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_declared_by_its_name(preset: str) -> None:
    config = load({"space": {"preset": preset}})
    assert declared(filled(config.space)) == PRESETS[preset]
    assert Config.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("preset", [*PRESETS, *MOBILE_PRESETS])
def test_a_filled_section_needs_no_preset(preset: str) -> None:
    section = filled(Space(preset=preset))
    assert filled(section) == section == Space.model_validate_json(section.model_dump_json())
    # under another name of its family it is the same space
    other = section.model_copy(update={"preset": "another"})
    assert replace(declared(other), name=preset) == {**PRESETS, **MOBILE_PRESETS}[preset]
    with pytest.raises(ValueError, match="is not filled"):
        declared(Space(preset=preset))


@pytest.mark.parametrize(
    ("raw", "same"),
    [
        ({"operations": ["skip_connect", "max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3", "nor_conv_3x3"]}, True),
        ({"nodes": 3, "edges_per_node": "2", "inputs": 2, "concat": [0, 1, 2], "none_is_choice": False}, True),
        ({"edges": [[0, 1], [0, 1, 2], [0, 1, 2, 3]]}, True),
        ({"operations": ["max_pool_3x3", "skip_connect", "avg_pool_3x3", "sep_conv_3x3", "nor_conv_3x3"]}, False),
        ({"nodes": 4}, False),
        ({"concat": [0, 1]}, False),
        ({"preset": "mobile_small", "stem": {"width": 16, "stride": 1}, "head": {"width": 192, "hidden": 0}}, True),
        ({"preset": "mobile_small", "head": {"dropout": 0.1}}, False),
        ({"preset": "mobile_small", "stages": MOBILE_DECLARED["mobile_small"]["stages"]}, True),
        ({"preset": "mobile_small", "stages": MOBILE_DECLARED["mobile_small"]["stages"][:2]}, False),
    ],
)
def test_to_write_out_a_presets_own_value_changes_no_settings(raw: dict[str, Any], same: bool) -> None:
    of_preset = Space(preset=raw.get("preset", "small"))
    assert (filled(Space(**raw)) == filled(of_preset)) is same


@pytest.mark.parametrize("preset", MOBILE_PRESETS)
def test_a_mobile_preset_is_declared_by_its_name(preset: str) -> None:
    config = load(mobile(space={"preset": preset}, data={"resolution": 32}))
    assert declared(filled(config.space)) == MOBILE_PRESETS[preset]
    assert Config.model_validate_json(config.model_dump_json()) == config


def test_a_mobile_preset_can_be_changed_in_part() -> None:
    stages = [{"width": [8, 16], "kernel": [3, 5]}, {"width": 24, "stride": 2, "operations": ["id", "k5_e6_se0.25"]}]
    given = mobile(space={"stem": {"width": 8}, "stages": stages})
    space = declared(filled(load(given).space))
    assert (space.size(), space.stride) == (2 * 2 * 2, 2)
    assert space.stem == replace(MOBILE_PRESETS["mobile_small"].stem, width=8)
    assert space.head == MOBILE_PRESETS["mobile_small"].head


def test_settings_of_a_space_without_resolutions_and_padding_have_no_keys_of_them() -> None:
    plain = space_settings(load(mobile()), "")
    assert "resolution" not in plain
    assert "padding" not in plain["stem"]
    assert space_settings(load(mobile(space={"stem": {"padding": "symmetric"}})), "") == plain
    given = space_settings(load(mobile(space={"stem": {"padding": "same"}, "resolution": [8, 4]})), "")
    assert (given["resolution"], given["stem"]["padding"]) == ([4, 8], "same")
    # the settings are read back as the same space
    space = declared(filled(Space.model_validate(given)))
    assert (space.resolution, space.stem.same) == ((4, 8), True)


def test_a_single_resolution_is_a_list_of_one() -> None:
    config = load(mobile(space={"resolution": 8}))
    assert declared(filled(config.space)).resolution == (8,)


def test_one_input_cells_can_be_declared() -> None:
    raw = {"inputs": 1, "edges_per_node": "all", "operations": {"cell": ["none", "nor_conv_1x1"]}, "nodes": 2}
    space = declared(filled(load({"space": raw, "search": {"network": {"cells": 1}}}).space))
    assert space.kinds == ("cell",)
    assert space.none_is_choice
    assert space.size() == 2**3
    raw |= {"none_is_choice": False, "operations": ["none", "skip_connect", "nor_conv_1x1"]}
    assert not declared(filled(load({"space": raw}).space)).none_is_choice


def test_declared_reductions_need_no_three_cells() -> None:
    assert load({"search": {"network": {"cells": 2, "reductions": [1]}}}).search.network.reductions == [1]
