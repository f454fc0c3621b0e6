"""Baselines of language models: names with sizes, and sizes that fit a budget."""

from __future__ import annotations

import math

import pytest

from nas_steps.errors import UserError
from nas_steps.spaces.language.baselines import NAMES, baseline
from nas_steps.spaces.language.costs import count_architecture
from nas_steps.spaces.language.presets import PRESETS
from nas_steps.spaces.language.sizing import NEAR, Named, aspect_of, fitted, heads_of, is_named, parse_named, sized

SMALL = PRESETS["language_small"]


def test_names() -> None:
    assert parse_named("gpt2") == Named("gpt2")
    assert parse_named("nanogpt_speedrun_d96_l3") == Named("nanogpt_speedrun", 96, 3)
    assert not is_named("resnet20")
    assert not is_named("llama_d0_l2")
    with pytest.raises(ValueError, match="width and depth must be 1 or more"):
        parse_named("llama_d64_l0")
    with pytest.raises(ValueError, match="gpt3"):
        parse_named("gpt3_d64_l2")


def test_a_size_in_the_name_is_taken() -> None:
    found = sized("llama_d128_l4", SMALL, 128)
    assert found == baseline("llama", depth=4, width=128, vocabulary=256, heads=4)
    assert sized("gpt2_d64_l2", SMALL, 128).frame.positions == 128


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("macs", [3e7, 1e8, 4e8])
def test_a_baseline_is_nearest_to_the_budget_at_the_space_s_aspect(name: str, macs: float) -> None:
    found = fitted(name, SMALL, 256, macs=macs)
    assert abs(math.log(count_architecture(found, 256)[1] / macs)) <= NEAR
    assert abs(math.log(found.frame.width / found.depth / aspect_of(SMALL))) < math.log(2)
    assert found.frame.width % (4 * heads_of(SMALL)) == 0


def test_parameters_may_be_the_budget_and_the_smaller_network_is_taken() -> None:
    found = fitted("llama", SMALL, 256, parameters=3e5)
    assert count_architecture(found, 256)[0] == pytest.approx(3e5, rel=0.12)
    assert fitted("llama", SMALL, 256, parameters=3e5, macs=1e12) == found


def test_a_budget_below_the_narrowest_network_is_refused() -> None:
    with pytest.raises(UserError, match="gpt2 is to have 1,000 MACs, but even its narrowest network has .* raise"):
        fitted("gpt2", SMALL, 256, macs=1e3)
