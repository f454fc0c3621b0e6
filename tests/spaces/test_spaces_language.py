"""Spaces of language models: strings, declarations, sampling, mutation, counting, decisions, refusals."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from random import Random
from typing import Any

import pytest

from nas_steps.errors import UserError
from nas_steps.spaces.language.architectures import (
    Attention,
    FeedForward,
    Frame,
    LanguageArchitecture,
    Layer,
    LinearAttention,
    MinGru,
    ShortConvolution,
)
from nas_steps.spaces.language.baselines import NAMES, baseline
from nas_steps.spaces.language.declarations import Size, declared_choices, keys_of
from nas_steps.spaces.language.parsing import is_language, parse_language
from nas_steps.spaces.language.presets import DECLARED, PRESETS
from nas_steps.spaces.language.space import LanguageSpace
from nas_steps.spaces.protocol import members, walk

GPT2 = "lm_v50257_d768_pos1024_ln_tied_bias/12x_attn_h12+gelu_e4"
SMALL = "lm_v256_d64_rope_rms/attn_h4+gelu_e4/conv_k3+none"


def declared(**keys: Any) -> LanguageSpace:
    least = {"vocabulary": 256, "depth": 1, "width": 64, "mixer": "attn_h4", "feed_forward": "gelu_e4"}
    return LanguageSpace.declare("tiny", {**least, **keys})


# small enough to be listed: settings alone, layers that choose, pairs of sizes, all layers the same
TINY = {
    "settings": declared(
        depth=[1, 3], width=[32, 64], position=["rope", "pos16"], norm=["rms", "ln"], order=["sequential", "parallel"],
        embedding=["tied", "untied"], extras=["none", "bias", "enorm_x0_unet_cap30_zero"],
    ),
    "layers": declared(depth=[1, 2, 3], mixer=["attn_h4", "gla_h2", "none"], feed_forward=["swiglu_e2.667", "none"]),
    "sizes": declared(depth=None, width=None, sizes=[[1, 64], [1, 96], [3, 32], [2, 64]], mixer=["conv_k3", "gru_e2"]),
    "network": declared(by="network", depth=[2, 4], mixer=["attn_h4", "attn_h4_w8", "none"], feed_forward=["relu2_e4"]),
    "one width": declared(mixer=["attn_h4", "attn_h4_kv2_qkn_vr"], depth=[2, 3]),
}  # fmt: skip
SPACES = {**PRESETS, **TINY}


@pytest.fixture(params=SPACES.values(), ids=SPACES)
def space(request: pytest.FixtureRequest) -> LanguageSpace:
    return request.param


@pytest.fixture(params=TINY.values(), ids=TINY)
def tiny(request: pytest.FixtureRequest) -> LanguageSpace:
    return request.param


def anything(random: Random) -> LanguageArchitecture:
    """Whatever the grammar can say."""

    def flag() -> bool:
        return random.random() < 0.3

    rotary = random.random() < 0.5
    frame = Frame(
        random.choice((2, 257)),
        random.choice((64, 96)),
        random.choice((10_000.0, 500_000.0, 1.5)) if rotary else 0.0,
        0 if rotary else random.choice((0, 12)),
        random.choice(("rms", "ln", "rmsplain")),
        random.choice((0.0, 30.0, 0.1 + 0.2)),
        *(flag() for _ in range(7)),
    )
    layers = []
    for _ in range(random.randint(1, 5)):
        mixer = random.choice(
            (
                None,
                Attention(
                    4, random.choice((1, 2, 4)), random.choice((0, 2, 64)), random.choice((0, 3)), flag(), flag()
                ),
                ShortConvolution(random.choice((2, 4))),
                LinearAttention(random.choice((1, 4))),
                MinGru(random.choice((1.0, 4 / 3))),
            )
        )
        feed_forward = FeedForward(random.choice(("gelu", "relu2", "swiglu")), random.choice((4.0, 8 / 3)))
        layers += [Layer(mixer, None if flag() else feed_forward)] * random.choice((1, 1, 2))
    return LanguageArchitecture(frame, tuple(layers))


def test_whatever_is_printed_is_read_back() -> None:
    random = Random(0)
    for _ in range(2000):
        architecture = anything(random)
        assert parse_language(str(architecture)) == architecture
        assert str(parse_language(f" {architecture}\n")) == str(architecture)


def test_samples_are_read_back(space: LanguageSpace) -> None:
    random = Random(1)
    for _ in range(100):
        architecture = space.sample(random)
        assert space.parse(str(architecture)) == architecture
        assert is_language(str(architecture))


def test_fields_in_any_order_and_layers_one_by_one_are_one_string() -> None:
    canonical = "lm_v256_d64_rope_rms_tied_x0_cap30/2x_attn_h4_w8_c3_qkn_vr+swiglu_e2.667/gru_e1+none"
    for text in (
        canonical,
        "lm_cap30.0_x0_tied_d64_v256/2x_attn_vr_qkn_c3_w8_h4+swiglu_e2.667/1x_gru_e1.0+none",
        "lm_v256_d64_rms_tied_x0_cap3e1/attn_h4_kv4_w8_c3_qkn_vr+swiglu_e2.667/attn_h4_w8_c3_qkn_vr+swiglu_e2.667/"
        "gru_e1+none",
        "lm_v256_d64_rope10000_rms_tied_x0_cap30/2x_attn_h4_w8_c3_qkn_vr+swiglu_e2.667/gru_e1+none",
    ):
        assert str(parse_language(text)) == canonical
    assert str(parse_language(GPT2)) == GPT2


def test_parts_of_different_kinds_are_different() -> None:
    assert len({ShortConvolution(4), LinearAttention(4), MinGru(4), Attention(4, 4)}) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("resnet20", ["no language model", "lm_v256_d128/LAYER"]),
        ("lm_v256_d64", ["no language model"]),
        (SMALL.replace("_d64", ""), ["lm needs d (at character 1"]),
        (SMALL.replace("_rope", "_rope_nope"), ["rope and nope exclude each other", "character 18"]),
        (SMALL.replace("_rope", "_pos8_rope"), ["pos and rope exclude each other"]),
        (SMALL.replace("rms", "rms_ln"), ["rms and ln exclude each other"]),
        (SMALL.replace("rms", "rms_rms"), ["rms is given twice (at character 22"]),
        (SMALL.replace("rms", "batch"), ["'batch' is no field of lm", "v, d, rope, pos, cap, each with a number"]),
        (SMALL.replace("v256", "v1"), ["v must be a whole number from 2 to 10000000, not 1 (at character 4, 'v1')"]),
        (SMALL.replace("d64", "d64.5"), ["d must be a whole number", "64.5"]),
        (SMALL.replace("attn_h4", "attn"), ["attn needs h (at character 22, 'attn')"]),
        (SMALL.replace("attn_h4", "attn_h5"), ["h must divide d, but 5 does not divide 64 (at character 22"]),
        (SMALL.replace("attn_h4", "attn_h4_kv3"), ["kv must divide h, but 3 does not divide 4"]),
        (SMALL.replace("attn_h4", "attn_h64"), ["heads of an even width, but d / h is 1"]),
        (SMALL.replace("attn_h4", "gla_h64"), ["2 h must divide d, but 128 does not divide 64"]),
        (SMALL.replace("attn_h4", "atn_h4"), ["unknown mixer 'atn'; did you mean 'attn'", "conv, gla, gru, none"]),
        (SMALL.replace("attn_h4", "none_h4"), ["'h4' is no field of none; it has no fields (at character 27"]),
        (SMALL.replace("gelu_e4", "gelu"), ["gelu needs e"]),
        (SMALL.replace("gelu_e4", "gelu_e0"), ["e must be a number from 0.01 to 100, not 0 (at character 35"]),
        (SMALL.replace("gelu_e4", "silu_e4"), ["unknown feed-forward network 'silu'", "gelu, relu2, swiglu, none"]),
        (SMALL.replace("+none", ""), ["'conv_k3' is no layer", "at character 38"]),
        (SMALL.replace("conv_k3", "conv_k1"), ["k must be a whole number from 2 to 31, not 1"]),
        (SMALL.replace("conv", "0x_conv"), ["a run of 0 layers; from 1 to 1000", "character 38"]),
        (SMALL.replace("conv", "1000x_conv"), ["has 1001 layers; from 1 to 1000 are allowed"]),
    ],
)  # fmt: skip
def test_a_bad_string_is_refused_in_words(text: str, words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        parse_language(text)
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("v256", "v257"), ["its vocabulary has 257 tokens, the space's has 256"]),
        (("/conv_k3+none", ""), ["depth x width is 1 x 64; the space has 2 x 64, 2 x 96"]),
        (("rope", "nope"), ["the position is nope, not rope or pos256"]),
        (("rms", "rms_bias_x0"), ["the extras is bias_x0, not none or bias or enorm"]),
        (("conv_k3", "conv_k4"), ["the mixer of layer 2 is conv_k4; it can be attn_h4, attn_h4_kv2"]),
        (("gelu_e4", "gelu_e3"), ["the feed-forward network of layer 1 is gelu_e3; it can be gelu_e4, relu2_e4"]),
    ],
)
def test_an_architecture_of_another_space_is_refused_in_words(change: tuple[str, str], words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        PRESETS["language_small"].parse(SMALL.replace(*change))
    for word in (*words, "language_small"):
        assert word in str(error.value)


def test_layers_of_a_space_that_chooses_as_a_whole_are_all_the_same() -> None:
    with pytest.raises(UserError, match="its layers must be all the same"):
        TINY["network"].parse("lm_v256_d64/attn_h4+relu2_e4/none+relu2_e4")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"widths": [64]}, "unknown key 'widths'; did you mean 'width'"),
        ({"vocabulary": None}, "a space of language models needs vocabulary"),
        ({"vocabulary": 1}, "vocabulary is 1; it must be a whole number from 2"),
        ({"depth": None}, "needs depth, or sizes"),
        ({"depth": [2, 2]}, "depth: something stands twice in [2, 2]"),
        ({"width": []}, "width is empty"),
        ({"width": [64, True]}, "width is True"),
        ({"sizes": [[2, 64]]}, "sizes has depths and widths; leave depth out"),
        ({"depth": None, "width": None, "sizes": [2, 64]}, "sizes has 2; [depth, width] is expected"),
        ({"depth": None, "width": None, "sizes": [[2, 64], [2, 64]]}, "sizes: something stands twice"),
        ({"position": ["rop"]}, "position: 'rop' is no position"),
        ({"position": ["pos0"]}, "position: 'pos0': pos must be a whole number from 1 to 10000000, not 0"),
        ({"norm": "batch"}, "norm: unknown norm 'batch'"),
        ({"extras": ["bias_cap0"]}, "extras: 'bias_cap0': cap must be a number from 0.1 to 1000000, not 0"),
        ({"extras": ["tied"]}, "extras: 'tied' is none of bias, enorm, x0, unet, zero and cap"),
        ({"extras": ["x0_bias", "bias_x0"]}, "extras: something stands twice"),
        ({"mixer": ["attn_h4", "attn_h4_kv4"]}, "mixer: something stands twice"),
        ({"mixer": "attn_h3"}, "mixer attn_h3 does not fit width 64: h must divide d"),
        ({"feed_forward": "swiglu"}, "feed_forward: 'swiglu': swiglu needs e"),
        ({"by": "layers"}, "unknown by 'layers'; did you mean 'layer'"),
        ({}, "nothing to choose"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_in_words(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        declared(**keys)


def test_the_keys_of_a_space_declare_it_again(space: LanguageSpace) -> None:
    assert declared_choices(keys_of(space.choices)) == space.choices


def test_the_size_is_the_number_of_different_strings(tiny: LanguageSpace) -> None:
    listed = list(members(tiny))
    assert len(listed) == len({str(one) for one in listed}) == tiny.size()


def test_the_sizes_are_the_products_of_the_choices() -> None:
    assert TINY["settings"].size() == 2 * 2 * 2 * 2 * 2 * 2 * 3
    assert TINY["layers"].size() == 6 + 6**2 + 6**3
    assert TINY["sizes"].size() == 2 + 2 + 2**3 + 2**2
    assert TINY["network"].size() == 2 * 3
    assert PRESETS["language_small"].size() == 4 * 2 * 3 * 2 * 2 * 3 * sum(40**depth for depth in (2, 3, 4, 6))


def test_every_decision_sequence_is_an_architecture_and_back(space: LanguageSpace) -> None:
    random = Random(2)
    for _ in range(30):
        choices = walk(space, random)
        for end in range(len(choices)):
            decision = space.decision(choices[:end])
            assert decision is not None
            assert len(decision.allowed) > 1
            assert list(decision.allowed) == sorted(set(decision.allowed))
        architecture = space.check(space.decode(choices))
        assert space.decided(architecture) == choices
        drawn = space.sample(random)
        assert space.decode(space.decided(drawn)) == drawn


def test_decisions_of_one_kind_have_the_same_options(space: LanguageSpace) -> None:
    options: dict[str, set[tuple[str, ...]]] = {}
    choices = space.decided(space.sample(Random(3)))
    for end in range(len(choices)):
        decision = space.decision(choices[:end])
        assert decision is not None
        options.setdefault(decision.kind, set()).add(decision.options)
    assert all(len(found) == 1 for found in options.values())


def test_a_width_is_decided_among_those_of_the_depth() -> None:
    space = TINY["sizes"]
    first = space.decision([])
    assert first is not None
    assert (first.kind, first.options) == ("depth", ("1", "2", "3"))
    second = space.decision([0])
    assert second is not None
    assert (second.kind, second.options, second.allowed) == ("width", ("32", "64", "96"), (1, 2))
    third = space.decision([1])
    assert third is not None
    assert third.kind == "mixer"


def test_decisions_that_are_none_are_refused() -> None:
    space = TINY["one width"]
    with pytest.raises(ValueError, match="too few: mixer is not decided"):
        space.decode([0])
    with pytest.raises(ValueError, match="4 decisions are 1 too many"):
        space.decode([0] * 4)
    with pytest.raises(ValueError, match=re.escape("decision 2, mixer, is 3, not 0 (attn_h4), 1 (attn_h4_kv2_qkn_vr)")):
        space.decision([0, 3])


def test_codes_are_as_long_and_as_different_as_architectures(tiny: LanguageSpace) -> None:
    codes = [tuple(tiny.encode(one)) for one in members(tiny)]
    assert len({len(code) for code in codes}) == 1
    assert len(set(codes)) == len(codes)
    assert set(itertools.chain(*codes)) == {0.0, 1.0}


def test_descriptions_tell_all_architectures_apart(tiny: LanguageSpace) -> None:
    groups = [tiny.describe(one) for one in members(tiny)]
    assert {len(one) for one in groups} == {3}
    last = {tuple(sorted(one[-1].items())) for one in groups}
    assert len(last) == tiny.size()
    assert {value for one in groups for value in one[-1].values()} == {1}


def test_sites_make_every_architecture(tiny: LanguageSpace) -> None:
    sites = tiny.sites()
    made = {sites.made(indices) for indices in itertools.product(*map(range, sites.counts))}
    assert made == set(members(tiny))


def test_samples_are_uniform(tiny: LanguageSpace) -> None:
    random, draws = Random(4), 6000
    seen = Counter(str(tiny.sample(random)) for _ in range(draws))
    expected = draws / tiny.size()
    assert len(seen) == tiny.size()
    # chi-squared, five standard deviations
    statistic = sum((count - expected) ** 2 / expected for count in seen.values())
    assert statistic < tiny.size() + 5 * (2 * tiny.size()) ** 0.5


def test_mutants_are_the_neighbours_and_stay_in_the_space(tiny: LanguageSpace) -> None:
    random = Random(5)
    for parent in random.sample(list(members(tiny)), 4):
        around = [str(one) for one in tiny.neighbours(parent)]
        assert len(set(around)) == len(around)
        assert str(parent) not in around
        assert {str(tiny.check(tiny.mutate(parent, random))) for _ in range(400)} == set(around)


def test_every_architecture_is_some_mutations_away(tiny: LanguageSpace) -> None:
    reached = {tiny.sample(Random(6))}
    frontier = list(reached)
    while frontier:
        new = set(tiny.neighbours(frontier.pop())) - reached
        reached |= new
        frontier += new
    assert len(reached) == tiny.size()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("_rope_rms/attn_h4+none/none+none", "_rope_rms/attn_h4+none"),
        ("_rope_rms/attn_h4_vr+none/attn_h4_kv2_vr+none", "_rope_rms/attn_h4+none/attn_h4_kv2+none"),
        ("_rope_rms_par_bias/conv_k3+none", "_nope_rms/conv_k3+none"),
        ("_pos8_rms/attn_h4_w8+gelu_e4", "_pos8_rms/attn_h4+gelu_e4"),
        ("_pos8_rms_unet/attn_h4_w7+gelu_e4", "_pos8_rms/attn_h4_w7+gelu_e4"),
    ],
)
def test_what_changes_nothing_does_not_matter_to_the_identity(one: str, other: str) -> None:
    space = PRESETS["language_small"]
    first, second = (parse_language(f"lm_v256_d64{text}") for text in (one, other))
    assert first != second
    assert space.identity(first) == space.identity(second) == str(second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("_rope_rms_x0/attn_h4+none/none+none", "_rope_rms_x0/attn_h4+none"),
        ("_rope_rms_unet/none+none/attn_h4+none", "_rope_rms/attn_h4+none"),
        ("_rope_rms/2x_attn_h4_vr+none", "_rope_rms/2x_attn_h4+none"),
        ("_rope_rms_par/attn_h4+gelu_e4", "_rope_rms/attn_h4+gelu_e4"),
        ("_pos8_rms/attn_h4_w7+gelu_e4", "_pos8_rms/attn_h4+gelu_e4"),
        ("_nope_ln_bias/conv_k3+none", "_nope_ln/conv_k3+none"),
        ("_nope_rms_bias/none+gelu_e4", "_nope_rms/none+gelu_e4"),
    ],
)
def test_what_changes_something_matters_to_the_identity(one: str, other: str) -> None:
    space = PRESETS["language_small"]
    first, second = (space.identity(parse_language(f"lm_v256_d64{text}")) for text in (one, other))
    assert first != second


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(2, 64), (4, 128), (6, 192)])
def test_the_small_preset_contains_the_baselines(name: str, size: tuple[int, int]) -> None:
    depth, width = size
    found = baseline(name, depth=depth, width=width, vocabulary=256, heads=4, positions=256)
    assert PRESETS["language_small"].check(found) == parse_language(str(found))
    if name == "llama":
        fewer = baseline(name, depth=depth, width=width, vocabulary=256, heads=4, kv_heads=2)
        PRESETS["language_small"].check(fewer)


@pytest.mark.parametrize("name", NAMES)
def test_the_large_preset_contains_the_baselines(name: str) -> None:
    PRESETS["language_gpt2"].check(baseline(name, depth=12, width=768, vocabulary=50257))


def test_baselines_are_the_published_networks() -> None:
    assert str(baseline("gpt2", depth=12, width=768, vocabulary=50257)) == GPT2
    llama = "lm_v32000_d4096_rope_rms/32x_attn_h32+swiglu_e2.667"
    assert str(baseline("llama", depth=32, width=4096, vocabulary=32000)) == llama
    speedrun = "lm_v50304_d768_rope_rmsplain_enorm_x0_unet_cap30_zero/12x_attn_h6_qkn_vr+relu2_e4"
    assert str(baseline("nanogpt_speedrun", depth=12, width=768, vocabulary=50304)) == speedrun
    primer = "lm_v256_d96_pos64_ln_tied_bias/2x_attn_h1_c3+relu2_e4"
    assert str(baseline("primer_ez", depth=2, width=96, vocabulary=256, positions=64)) == primer


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"name": "gpt3"}, "unknown baseline 'gpt3'; did you mean 'gpt2'"),
        ({"name": "gpt2", "heads": 5}, "heads must divide width"),
        ({"name": "gpt2", "heads": 4, "kv_heads": 2}, "leave kv_heads out"),
    ],
)
def test_a_baseline_that_is_none_is_refused_in_words(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        baseline(keys.pop("name"), depth=2, width=64, vocabulary=256, **keys)


def test_presets_are_declared_of_plain_data() -> None:
    for name, keys in DECLARED.items():
        assert LanguageSpace.declare(name, keys) == PRESETS[name]
    assert PRESETS["language_gpt2"].choices.sizes[0] == Size(8, 960)
    assert not PRESETS["language_gpt2"].choices.is_product
