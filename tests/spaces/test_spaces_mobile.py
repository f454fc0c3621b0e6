"""Mobile spaces: strings, declarations, sampling, mutation, counting, decisions, refusals."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from published import efficientnet

from nas_steps.errors import UserError
from nas_steps.spaces.mobile.architectures import Block, Head, Operation, Stem, parse_operation
from nas_steps.spaces.mobile.efficientnet import B0, LITE0, PUBLISHED, round_channels, scaled
from nas_steps.spaces.mobile.presets import DECLARED, PRESETS
from nas_steps.spaces.mobile.space import MobileArchitecture, MobileSpace, parse_mobile

SMALL = "stem_k3_c16_relu/mb_k3_e2_c16/mb_k3_s2_e2_c24/mb_k3_s2_e2_c48/head_c192"


def declared(*stages: dict[str, Any], resolution: Any = None, **stem: Any) -> MobileSpace:
    parts = {"stem": {"width": 8} | stem, "stages": list(stages), "head": {"width": 16}}
    return MobileSpace.declare("tiny", {**parts, "resolution": resolution})


# small enough to be listed: settings of whole stages, layers that choose, layers left out, all of them named
TINY = {
    "settings": declared({"width": [8, 12], "depth": [1, 3], "stride": [1, 2], "activation": ["relu", "silu"]}),
    "layers": declared({"width": 8, "depth": [1, 2], "kernel": [3, 5], "expansion": [2, 3.5]}),
    "skips": declared(
        {"width": 8, "depth": 3, "kernel": [3, 5], "skip": True}, {"width": 16, "squeeze": ["none", "se0.5"]}
    ),
    "stage": declared({"width": 8, "depth": [2, 3], "kernel": [3, 7], "squeeze": ["se0.25", "hse0.25"], "by": "stage"}),
    "sides": declared({"width": [8, 12], "depth": [1, 2]}, {"width": 16, "stride": 2}, resolution=[48, 32, 40]),
    "one side": declared({"width": [8, 12], "depth": [1, 2]}, resolution=24),
    "named": declared({"width": 16, "depth": 2, "stride": 2, "operations": ["id", "k3_e3", "k5_e6_se0.25"]}),
}
SPACES = {**PRESETS, **TINY}


@pytest.fixture(params=SPACES.values(), ids=SPACES)
def space(request: pytest.FixtureRequest) -> MobileSpace:
    return request.param


@pytest.fixture(params=TINY.values(), ids=TINY)
def tiny(request: pytest.FixtureRequest) -> MobileSpace:
    return request.param


def everything(space: MobileSpace) -> list[MobileArchitecture]:
    """Every architecture, by following every decision."""
    found, prefixes = [], [[]]
    while prefixes:
        prefix: list[int] = prefixes.pop()
        decision = space.decision(prefix)
        if decision is None:
            found.append(space.decode(prefix))
        else:
            prefixes += [[*prefix, choice] for choice in decision.allowed]
    return found


def anything(random: Random) -> MobileArchitecture:
    """Whatever the grammar can say."""
    stem = Stem(
        random.choice((8, 17)),
        random.choice((3, 5)),
        random.choice((1, 2)),
        random.choice(("silu", "relu", "relu6", "hswish")),
        random.choice((1e-5, 1e-3, 0.1 + 0.2)),
        random.choice((0, 0, 1024)),
        random.random() < 0.3,
        random.choice((0.1, 0.01, 1 / 7)),
    )
    stages = []
    for _ in range(random.randint(1, 3)):
        stage = []
        for _ in range(random.randint(1, 5)):
            operation = None
            if random.random() < 0.7:
                squeeze = random.choice(("", "se0.25", "hse0.5", f"se{1 / 3!r}"))
                operation = Operation(random.choice((3, 5)), random.choice((1.0, 2.5, 4 / 3)), squeeze)
            activation = "" if operation is None else random.choice((stem.activation, "relu"))
            stage.append(Block(random.choice((8, 17)), random.choice((1, 1, 2)), operation, activation))
        stages.append(tuple(stage))
    head = Head(random.choice((8, 1280)), random.choice((0, 32)), random.choice((0.0, 0.2, 1 / 7)))
    return MobileArchitecture(stem, tuple(stages), head)


def test_whatever_is_printed_is_read_back() -> None:
    random = Random(0)
    for _ in range(2000):
        architecture = anything(random)
        if 0 < architecture.stem.side < architecture.stride:
            continue
        assert parse_mobile(str(architecture)) == architecture
        assert str(parse_mobile(f" {architecture}\n")) == str(architecture)


def test_samples_are_read_back(space: MobileSpace) -> None:
    random = Random(1)
    for _ in range(100):
        architecture = space.sample(random)
        assert space.parse(str(architecture)) == architecture


def test_fields_in_any_order_and_blocks_one_by_one_are_one_string() -> None:
    canonical = "stem_k3_s2_c16_silu/mb_r3_k3_s2_e6_c24_se0.25+mb_k5_e6_c24_relu/id+id_s2_c32/head_c64_p0.2"
    for text in (
        canonical,
        canonical.replace("mb_r3_k3_s2_e6_c24_se0.25", "mb_k3_s2_e6_c24_se0.25+mb_r2_k3_e6_c24_se.250"),
        canonical.replace("mb_r3_k3_s2_e6_c24_se0.25", "mb_swish_c24_se0.25_e6.0_s2_k3_r3"),
        canonical.replace("mb_k5_e6", "mb_r1_s1_k5_e6").replace("/id+", "/id_s1_c24+"),
        canonical.replace("stem_k3_s2_c16_silu", "stem_swish_c16_s2_k3_eps1e-5").replace("c64_p0.2", "p.2_c64"),
        canonical.replace("stem_k3_s2_c16_silu", "stem_k3_s2_c16"),
    ):
        assert str(parse_mobile(text)) == canonical


def test_the_side_and_the_padding_are_fields_of_the_stem() -> None:
    text = SMALL.replace("c16_relu", "c16_eps0.001_i96_tf_relu", 1)
    architecture = parse_mobile(text)
    assert (architecture.stem.side, architecture.stem.same) == (96, True)
    assert str(architecture) == text
    assert str(parse_mobile(text.replace("eps0.001_i96_tf", "tf_i96_eps1e-3"))) == text
    assert (parse_mobile(SMALL).stem.side, parse_mobile(SMALL).stem.same) == (0, False)


def test_runs_are_undone_only_where_blocks_differ() -> None:
    text = "stem_k3_c8_relu/mb_r2_k3_s2_e2_c8+mb_k3_s2_e2_c8+id_r2/head_c8"
    (stage,) = parse_mobile(text).stages
    assert [block.stride for block in stage] == [2, 1, 2, 1, 1]
    assert str(parse_mobile(text)) == text
    assert parse_mobile(text).stride == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("resnet20", ["no mobile architecture", "stem_k3_s2_c32_silu/STAGE"]),
        ("stem_k3_c8/head_c8", ["no mobile architecture"]),
        (SMALL.replace("/mb_k3_s2_e2_c24", "/"), ["a stage without blocks", "at character 31"]),
        (SMALL.replace("mb_k3_s2_e2_c24", "mc_k3_s2_e2_c24"), ["unknown operation 'mc'", "known are: mb, id", "31"]),
        (SMALL.replace("s2_e2_c24", "s2_e2_q24"), ["'q24' is no field of mb", "at character 43"]),
        (SMALL.replace("s2_e2_c24", "s3_e2_c24"), ["s must be a whole number from 1 to 2, not 3", "at character 37"]),
        (SMALL.replace("mb_k3_e2_c16", "mb_k4_e2_c16"), ["k must be an odd number", "not 4"]),
        (SMALL.replace("e2_c24", "e2_c24.5"), ["c must be a whole number", "24.5"]),
        (SMALL.replace("e2_c24", "e2_e3_c24"), ["e is given twice"]),
        (SMALL.replace("e2_c24", "c24"), ["mb needs e", "at character 31"]),
        (SMALL.replace("e2_c24", "e2_c24_se0.25_hse0.25"), ["se or hse, not both"]),
        (SMALL.replace("e2_c24", "e2_c24_se25"), ["se must be a number from 0.001 to 1"]),
        (SMALL.replace("e2_c24", "e2_c24_relu_silu"), ["two activations"]),
        (SMALL.replace("mb_k3_s2_e2_c24", "id_s2_c24_relu"), ["has no activation"]),
        (SMALL.replace("head_c192", "head_c192_relu"), ["the head has the stem's activation"]),
        (SMALL.replace("head_c192", "head"), ["head needs c"]),
        (SMALL.replace("stem_k3", "stem_gelu_k3"), ["'gelu' is no field of stem", "silu, relu, relu6, hswish"]),
        (SMALL.replace("stem_k3", "stem_i2_k3"), ["i must be a whole number from 4 to 1024, not 2", "at character 6"]),
        (SMALL.replace("stem_k3", "stem_tf_tf_k3"), ["tf is given twice", "at character 9"]),
        (SMALL.replace("stem_k3", "stem_tf1_k3"), ["'tf1' is no field of stem", "tf without one"]),
        (
            SMALL.replace("mb_k3_e2", "mb_tf_k3_e2"),
            ["'tf' is no field of mb", "its fields are r, k, s, e, c, se, hse,"],
        ),
        (SMALL.replace("stem_k3_", "stem_k3_s2_i4_"), ["i4 is too small: the strides divide the side by 8"]),
    ],
)
def test_a_bad_string_is_refused_in_words(text: str, words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        parse_mobile(text)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SMALL.replace("stem_k3", "stem_k5"), ["its stem is not the space's, stem_k3_c16_relu"]),
        (SMALL.replace("c192", "c200"), ["its head is not the space's, head_c192"]),
        (SMALL.replace("/mb_k3_s2_e2_c48", ""), ["it has 2 stages, the space has 3"]),
        (SMALL.replace("mb_k3_e2_c16", "mb_r3_k3_e2_c16"), ["the depth of stage 1 is 3, not 1 or 2"]),
        (SMALL.replace("s2_e2_c24", "e2_c24"), ["the stride of stage 2 is 1, not 2"]),
        (SMALL.replace("c24", "c32"), ["the width of stage 2 is 32, not 24"]),
        (SMALL.replace("e2_c24", "e2_c24_silu"), ["the activation of stage 2 is silu, not relu"]),
        (SMALL.replace("mb_k3_e2_c16", "mb_k7_e2_c16"), ["layer 1 of stage 1 is k7_e2; it can be k3_e2, k3_e4"]),
        (SMALL.replace("mb_k3_s2_e2_c24", "mb_k3_s2_e2_c24+id"), ["layer 2 of stage 2 is id"]),
        (SMALL.replace("mb_k3_e2_c16", "mb_k3_e2_c16+mb_k3_e2_c8"), ["the layers of stage 1 must have one width"]),
    ],
)
def test_an_architecture_of_another_space_is_refused_in_words(text: str, words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        PRESETS["mobile_small"].parse(text)
    for word in (*words, "mobile_small"):
        assert word in str(error.value)


def test_layers_of_a_stage_that_chooses_as_a_whole_are_all_the_same() -> None:
    with pytest.raises(UserError, match="be all the same"):
        TINY["stage"].parse("stem_k3_s2_c8_silu/mb_k3_e1_c8_se0.25+mb_k7_e1_c8_se0.25/head_c16")


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ({}, "stages[0] needs width"),
        ({"width": 8, "kernels": 3}, "stages[0]: unknown key 'kernels'; did you mean 'kernel'"),
        ({"width": 8, "kernel": [3, 4]}, "stages[0].kernel is 4; it must be an odd number"),
        ({"width": 8, "kernel": [3, 3]}, "stages[0].kernel: something stands twice"),
        ({"width": []}, "stages[0].width is empty"),
        ({"width": [8, True]}, "stages[0].width is True"),
        ({"width": [8, 16.5]}, "stages[0].width is 16.5"),
        ({"width": 8, "activation": "gelu"}, "stages[0].activation: unknown activation 'gelu'"),
        ({"width": 8, "squeeze": "0.25"}, "stages[0].squeeze: '0.25' is no squeeze-excitation"),
        ({"width": 8, "operations": ["k3"]}, "stages[0].operations: 'k3': mb needs e"),
        ({"width": 8, "operations": ["id"], "kernel": 3}, "leave those keys out"),
        ({"width": 8, "depth": 2, "skip": "yes"}, "stages[0].skip is 'yes'"),
        ({"width": 8, "depth": 2, "skip": True, "by": "stage"}, "stages[0].by is stage"),
        ({"width": 8, "by": "layers"}, "did you mean 'layer'"),
        ({"width": 8, "operations": ["id", "k3_e1"], "activation": ["relu", "silu"]}, "activation has a choice"),
        ({"width": 8}, "nothing to choose"),
        ("mb", "stages[0] is 'mb'"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_in_words(stage: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        declared(stage)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"stem": {"width": 8}}, "a mobile space has a stem, stages and a head"),
        ({**DECLARED["mobile_small"], "stages": []}, "stages is empty"),
        ({**DECLARED["mobile_small"], "stages": "mb"}, "a list of stages is expected"),
        ({**DECLARED["mobile_small"], "stem": {"width": 8, "stride": 4}}, "stem.stride is 4"),
        ({**DECLARED["mobile_small"], "head": {"width": 8, "dropout": 1}}, "head.dropout is 1"),
        ({**DECLARED["mobile_small"], "stem": {"width": 8, "padding": "sam"}}, "unknown padding 'sam'; did you mean"),
        ({**DECLARED["mobile_small"], "stem": {"width": 8, "side": 96}}, "stem: unknown key 'side'"),
    ],
)
def test_a_declaration_without_its_parts_is_refused_in_words(data: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        MobileSpace.declare("broken", data)


def test_the_resolution_is_one_more_choice() -> None:
    space = TINY["sides"]
    assert space.resolution == (32, 40, 48)
    assert space.size() == 3 * 4
    found = Counter(one.stem.side for one in everything(space))
    assert found == {32: 4, 40: 4, 48: 4}
    assert (space.smallest().stem.side, space.largest().stem.side) == (32, 48)
    assert space.sites().counts[0] == 3
    decision = space.decision([])
    assert decision is not None
    assert (decision.kind, decision.options) == ("resolution", ("32", "40", "48"))
    # two networks, although all their blocks are the same
    one, other = (space.parse(f"stem_k3_s2_c8_i{side}_silu/mb_k3_e1_c8/mb_k3_s2_e1_c16/head_c16") for side in (32, 48))
    assert space.identity(one) != space.identity(other)
    only = TINY["one side"]
    assert {one.stem.side for one in everything(only)} == {24}


def test_a_space_of_one_network_may_choose_its_resolution() -> None:
    space = declared({"width": 8}, resolution=[32, 64])
    assert [str(one).split("/")[0] for one in everything(space)] == ["stem_k3_s2_c8_i64_silu", "stem_k3_s2_c8_i32_silu"]


@pytest.mark.parametrize(
    ("resolution", "words"),
    [
        ([64, 4], "resolution has 4, but the strides of stem and stages divide the side by 8"),
        ([64, 64], "resolution: something stands twice in [64, 64]"),
        ([], "resolution is empty"),
        ([64, 2048], "resolution is 2048; it must be a whole number from 4 to 1024"),
        ([64, "96px"], "resolution is '96px'"),
    ],
)
def test_a_resolution_that_is_none_is_refused_in_words(resolution: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        declared({"width": [8, 12], "stride": 2}, {"width": 16, "stride": 2}, resolution=resolution)


def test_an_architecture_of_another_resolution_is_refused_in_words() -> None:
    text = "stem_k3_s2_c8{}_silu/mb_k3_e1_c8/mb_k3_s2_e1_c16/head_c16"
    for side, words in (("_i36", "to 36 pixels, the space's do so to 32 or 40 or 48"), ("", "images not at all,")):
        with pytest.raises(UserError, match=words):
            TINY["sides"].parse(text.format(side))
    with pytest.raises(UserError, match="to 96 pixels, the space's do so not at all"):
        PRESETS["mobile_small"].parse(SMALL.replace("c16_relu", "c16_i96_relu", 1))


def test_the_padding_is_that_of_all_architectures() -> None:
    stages = {"width": 8, "kernel": [3, 5]}
    same, symmetric = declared(stages, padding="same"), declared(stages, padding="symmetric")
    assert symmetric == declared(stages)
    one = same.sample(Random(0))
    assert str(one).startswith("stem_k3_s2_c8_tf_silu/")
    with pytest.raises(UserError, match="its stem is not the space's, stem_k3_s2_c8_silu"):
        symmetric.check(one)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("nasbench_macro", 3**8),
        # Cai et al. 2020, section 4.1: (9^2 + 9^3 + 9^4)^5, "more than 10^19"
        ("ofa_mbv3", (9**2 + 9**3 + 9**4) ** 5),
        # six layers change the shape and cannot be left out
        ("proxyless", 6**6 * 7**15),
        ("mnasnet", (2 * 2 * 4) * (3 * 3 * 8) ** 5 * (3 * 2 * 8)),
    ],
)
def test_published_spaces_are_as_large_as_published(name: str, size: int) -> None:
    assert PRESETS[name].size() == size


def test_the_size_is_the_number_of_different_strings(tiny: MobileSpace) -> None:
    listed = everything(tiny)
    assert len(listed) == len({str(one) for one in listed}) == tiny.size()


def test_every_decision_sequence_is_an_architecture_and_back(space: MobileSpace) -> None:
    random = Random(2)
    for _ in range(30):
        prefix: list[int] = []
        while (decision := space.decision(prefix)) is not None:
            assert len(decision.allowed) > 1
            assert list(decision.allowed) == sorted(set(decision.allowed))
            prefix.append(random.choice(decision.allowed))
        architecture = space.check(space.decode(prefix))
        assert space.decided(architecture) == prefix
        drawn = space.sample(random)
        assert space.decode(space.decided(drawn)) == drawn


def test_decisions_of_one_kind_have_the_same_options(space: MobileSpace) -> None:
    options: dict[str, set[tuple[str, ...]]] = {}
    choices = space.decided(space.sample(Random(3)))
    for end in range(len(choices)):
        decision = space.decision(choices[:end])
        assert decision is not None
        options.setdefault(decision.kind, set()).add(decision.options)
    assert all(len(found) == 1 for found in options.values())


def test_decisions_that_are_none_are_refused() -> None:
    space = PRESETS["nasbench_macro"]
    with pytest.raises(ValueError, match="too few: kernel is not decided"):
        space.decode([0])
    with pytest.raises(ValueError, match="9 decisions are 1 too many"):
        space.decode([0] * 9)
    with pytest.raises(ValueError, match="1 too many"):
        space.decision([0] * 9)
    with pytest.raises(ValueError, match=re.escape("decision 2, kernel, is 3, not 0 (id), 1 (3), 2 (5)")):
        space.decision([0, 3])


def test_codes_are_as_long_and_as_different_as_architectures(tiny: MobileSpace) -> None:
    codes = [tuple(tiny.encode(one)) for one in everything(tiny)]
    assert len({len(code) for code in codes}) == 1
    assert len(set(codes)) == len(codes)
    assert set(itertools.chain(*codes)) == {0.0, 1.0}


def test_samples_are_uniform(tiny: MobileSpace) -> None:
    random, draws = Random(4), 6000
    seen = Counter(str(tiny.sample(random)) for _ in range(draws))
    expected = draws / tiny.size()
    assert len(seen) == tiny.size()
    # chi-squared, five standard deviations
    statistic = sum((count - expected) ** 2 / expected for count in seen.values())
    assert statistic < tiny.size() + 5 * (2 * tiny.size()) ** 0.5


def test_mutants_are_the_neighbours_and_stay_in_the_space(tiny: MobileSpace) -> None:
    random = Random(5)
    for parent in random.sample(everything(tiny), 4):
        around = [str(one) for one in tiny.neighbours(parent)]
        assert len(set(around)) == len(around)
        assert str(parent) not in around
        assert {str(tiny.check(tiny.mutate(parent, random))) for _ in range(400)} == set(around)


def test_every_architecture_is_some_mutations_away(tiny: MobileSpace) -> None:
    reached = {tiny.sample(Random(6))}
    frontier = list(reached)
    while frontier:
        new = set(tiny.neighbours(frontier.pop())) - reached
        reached |= new
        frontier += new
    assert len(reached) == tiny.size()


def test_layers_that_are_left_out_do_not_matter_to_the_identity() -> None:
    space = PRESETS["nasbench_macro"]
    start, end = "stem_k3_c32_relu/mb_k3_s2_e3_c64+id/mb_k3_s2_e3_c128+", "/id_s2_c256+id_r2/head_c1280"
    one, two = (space.parse(start + middle + end) for middle in ("id+mb_k5_e6_c128", "mb_k5_e6_c128+id"))
    three = space.parse(start + "id+mb_k3_e3_c128" + end)
    assert one != two
    assert space.identity(one) == space.identity(two) != space.identity(three)
    # the projection is no layer left out
    assert "id_s2_c256" in space.identity(one)
    assert str(parse_mobile(space.identity(one))) == space.identity(one)


def test_mnasnet_contains_efficientnet_b0() -> None:
    assert PRESETS["mnasnet"].check(efficientnet("efficientnet_b0")) == PRESETS["mnasnet"].parse(B0)


@pytest.mark.parametrize(
    ("name", "text", "size"),
    [
        ("efficientnet_lite", LITE0, 6 * 6 * 9 * 9 * 9 * 3),
        ("efficientnet_lite_depth", LITE0, 2 * 2 * 3 * 3 * 3),
        ("efficientnet_b0", B0, 6 * 12 * 9 * 18 * 18 * 3),
    ],
)
def test_a_space_of_slices_has_the_whole_network_as_its_largest(name: str, text: str, size: int) -> None:
    space = PRESETS[name]
    assert str(space.largest()) == text
    assert space.size() == size
    # no layer more, no channel and no stride another
    whole = space.largest()
    for architecture in (space.smallest(), space.sample(Random(7))):
        assert (architecture.stem, architecture.head) == (whole.stem, whole.head)
        for stage, theirs in zip(architecture.stages, whole.stages, strict=True):
            assert len(stage) <= len(theirs)
            for block, other in zip(stage, theirs[: len(stage)], strict=True):
                assert replace(block, operation=None) == replace(other, operation=None)
                assert block.operation.kernel <= other.operation.kernel
                assert block.operation.expansion <= other.operation.expansion


def test_efficientnet_is_scaled_as_published() -> None:
    found = {name: efficientnet(name) for name in PUBLISHED}
    assert [sum(map(len, one.stages)) for one in found.values()] == [16, 23, 23, 26, 32, 39, 45, 55]
    assert [one.head.width for one in found.values()] == [1280, 1280, 1408, 1536, 1792, 2048, 2304, 2560]


def test_a_scaled_network_repeats_the_last_layer_and_rounds_channels_to_8() -> None:
    text = "stem_k3_c16_relu/mb_k3_s2_e2_c24+mb_k5_e4_c24/id_s2_c40/head_c64_l32_p0.1"
    wanted = "stem_k3_c24_relu/mb_k3_s2_e2_c32+mb_r2_k5_e4_c32/id_r2_s2_c56/head_c88_l48_p0.1"
    assert str(scaled(parse_mobile(text), width=1.4, depth=1.2)) == wanted
    # 10 rounds to 8, which is less than 90 % of it
    assert [round_channels(c, 0.5) for c in (4, 20, 24, 100)] == [8, 16, 16, 48]
    assert round_channels(17, 1) == 17


def test_an_operation_is_spelled_by_its_fields() -> None:
    assert parse_operation("id") is None
    operation = parse_operation("e6_k5_hse.25")
    assert operation == Operation(5, 6.0, "hse0.25")
    assert str(operation) == "k5_e6_hse0.25"
    with pytest.raises(ValueError, match="an operation is spelled id, k3_e6"):
        parse_operation("k5")
