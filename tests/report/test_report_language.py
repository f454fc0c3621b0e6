"""Drawings of language models: each layer's parts, in order, clear of each other, and in words."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from random import Random

import pytest

from nas_steps.report.language import PLATE_WIDTH, draw_language
from nas_steps.spaces.language.baselines import NAMES, baseline
from nas_steps.spaces.language.parsing import parse_language
from nas_steps.spaces.language.presets import PRESETS

TEXT = (
    "lm_v256_d128_rope_rms_tied_cap30/2x_attn_h4_kv2_w64_c3_qkn_vr+swiglu_e2.667/conv_k3+none/none+relu2_e4/"
    "gla_h2+gelu_e4"
)


def test_a_drawing_names_all_parts() -> None:
    svg = draw_language(parse_language(TEXT), "Layers of a")
    for words in (
        *("attention", "4 heads", "2 kv heads", "window 64", "conv 3 after QKV", "QK-norm", "value residual"),
        *("SwiGLU", "× 2.667", "gated conv", "kernel 3", "no feed-forward", "no mixer", "squared ReLU", "× 4"),
        *("linear attention", "2 heads", "GELU", "256 tokens", "layers 1 to 2", "layer 3", "layer 5", "tied"),
    ):
        assert f">{words}</text>" in svg, words
    label = ET.fromstring(svg).get("aria-label") or ""
    assert label.startswith(
        "Layers of a: width 128, rotary positions, RMSNorm, mixer before feed-forward, embedding tied"
    )
    assert "logits within 30" in label
    assert "layers 1 to 2: attention 4 heads 2 kv heads" in label
    assert label.endswith("layer 5: linear attention 2 heads, then GELU × 4")
    # runs are drawn once: 4 columns of two parts, of which two are left out, and both ends
    assert svg.count('class="plate ') == 10
    assert svg.count('class="plate free"') == 2


@pytest.mark.parametrize("seed", range(20))
def test_plates_never_overlap_and_hold_their_lines(seed: int) -> None:
    svg = draw_language(PRESETS["language_small"].sample(Random(seed)), "Layers")
    root = ET.fromstring(svg)
    plates = [
        [float(one.get(key) or 0) for key in ("x", "y", "width", "height")]
        for one in root.iter()
        if (one.get("class") or "").startswith("plate")
    ]
    for place, (x, y, width, height) in enumerate(plates):
        assert width == PLATE_WIDTH
        for left, top, wide, high in plates[place + 1 :]:
            assert x + width <= left or left + wide <= x or y + height <= top or top + high <= y
    lines = [one for one in root.iter() if one.tag.endswith("text") and one.get("class") is None]
    assert lines
    for line in lines:
        middle, foot = float(line.get("x") or 0), float(line.get("y") or 0)
        assert any(x < middle < x + width and y + 10 < foot < y + height - 2 for x, y, width, height in plates)


@pytest.mark.parametrize("name", NAMES)
def test_hand_designed_networks_are_one_column(name: str) -> None:
    svg = draw_language(baseline(name, depth=4, width=128, vocabulary=256, positions=256), name)
    assert svg.count("layers 1 to 4</text>") == 1
    told = {"gpt2": "a table of 256 positions", "llama": "rotary positions", "nanogpt_speedrun": "skips from the first"}
    assert told.get(name, "LayerNorm") in svg


def test_a_network_without_layers_has_both_ends() -> None:
    svg = draw_language(parse_language("lm_v256_d64_nope/none+none"), "Layers")
    assert re.findall(r">(embedding|head|no mixer|no feed-forward)</text>", svg) == [
        "embedding", "no mixer", "no feed-forward", "head",
    ]  # fmt: skip
