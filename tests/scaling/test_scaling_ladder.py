"""Sizes along a rung: the block is repeated, heads fit, and the cost is near what is wanted."""

from __future__ import annotations

from random import Random

import pytest

from nas_steps.config.scaling import Rungs
from nas_steps.errors import UserError
from nas_steps.scaling.ladder import block_of, hand_designed, nearest, repeated, sizes
from nas_steps.spaces.language.architectures import Attention
from nas_steps.spaces.language.baselines import HEAD_WIDTHS, NAMES, baseline
from nas_steps.spaces.language.costs import flops_per_token, middle_flops
from nas_steps.spaces.language.parsing import parse_language
from nas_steps.spaces.language.presets import PRESETS

RUNGS = Rungs(enabled=True, compute=1e13)
CONTEXT = 256


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("lm_v256_d64/4x_attn_h4+gelu_e4", 1),
        ("lm_v256_d64/attn_h4+gelu_e4/conv_k3+gelu_e4/attn_h4+gelu_e4/conv_k3+gelu_e4", 2),
        ("lm_v256_d64/attn_h4+gelu_e4/conv_k3+gelu_e4/attn_h4+gelu_e4", 3),
        ("lm_v256_d64/attn_h4+gelu_e4", 1),
    ],
)
def test_the_block_is_the_shortest_run_that_repeats(text: str, length: int) -> None:
    assert len(block_of(parse_language(text))) == length


def test_a_block_is_repeated_and_heads_keep_their_width() -> None:
    made = repeated(parse_language("lm_v256_d64_rms_par/attn_h4_kv2_qkn+gelu_e4/gla_h2+none"))(3, 128)
    assert str(made) == "lm_v256_d128_rope_rms_par/" + "/".join(["attn_h8_kv4_qkn+gelu_e4/gla_h4+none"] * 3)


def test_heads_divide_any_width_and_groups_stay() -> None:
    make = repeated(parse_language("lm_v256_d64/attn_h4_kv2+gelu_e4"))
    for width in range(8, 400, 8):
        attention = make(1, width).layers[0].mixer
        assert isinstance(attention, Attention)
        assert width % attention.heads == 0
        assert attention.heads == 2 * attention.kv_heads


def test_a_width_that_no_number_of_heads_fits_is_refused() -> None:
    make = repeated(parse_language("lm_v256_d64/gla_h4+gelu_e4"))
    with pytest.raises(UserError, match="gla_h4 has no number of heads that fits a width of 7"):
        make(1, 7)


@pytest.mark.parametrize("name", NAMES)
def test_hand_designed_blocks_are_those_of_the_published_networks(name: str) -> None:
    made = hand_designed(name, 50257, 1024, HEAD_WIDTHS[name])(12, 768)
    assert made == baseline(name, depth=12, width=768, vocabulary=50257)


@pytest.mark.parametrize("name", NAMES)
def test_sizes_rise_around_the_middle_and_cost_what_they_should(name: str) -> None:
    found = sizes(RUNGS, 1e14, hand_designed(name, 256, CONTEXT, 32), CONTEXT)
    middle = middle_flops(1e14, 20)
    for one, times in zip(found, (0.5, 1.0, 2.0), strict=True):
        assert one.flops_per_token == pytest.approx(times * middle, rel=0.15)
        assert one.flops_per_token == flops_per_token(one.architecture, CONTEXT)
        assert one.tokens(1e14) == pytest.approx(1e14 / 3 / one.flops_per_token)
        assert 10 < one.architecture.frame.width / one.architecture.depth < 90
    # 20 tokens for each parameter, two FLOPs counting as one
    assert 1e14 / (3 * middle) == pytest.approx(20 * middle / 2)


def test_searched_networks_of_any_kind_can_be_sized() -> None:
    for seed in range(10):
        architecture = PRESETS["language_small"].sample(Random(seed))
        found = sizes(RUNGS, 1e14, repeated(architecture), CONTEXT)
        assert [one.parameters for one in found] == sorted({one.parameters for one in found})
        for one in found:
            assert parse_language(str(one.architecture)) == one.architecture
            assert one.architecture.depth % len(block_of(architecture)) == 0


def test_more_compute_takes_larger_networks() -> None:
    make = hand_designed("gpt2", 256, CONTEXT, 32)
    small, large = (nearest(make, flops, CONTEXT, 32.0) for flops in (1e6, 4e6))
    assert large.parameters > 3 * small.parameters


def test_sizes_that_are_the_same_network_are_one() -> None:
    (only,) = sizes(RUNGS, 1e5, hand_designed("gpt2", 256, CONTEXT, 32), CONTEXT)
    assert only.architecture.frame.width == 8


def test_sizes_keep_about_the_usual_aspect_and_rise() -> None:
    for name in NAMES:
        for compute in (4e11, 1e12, 1e13, 1e15):
            found = sizes(RUNGS, compute, hand_designed(name, 256, CONTEXT, 32), CONTEXT)
            for one in found:
                assert 10 <= one.architecture.frame.width / one.architecture.depth <= 90
            assert [one.parameters for one in found] == sorted(one.parameters for one in found)
