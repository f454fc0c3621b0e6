"""Slices of mobile networks: sorting keeps the function, slices are centres and first channels."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from nas_steps.config.weights import installed
from nas_steps.errors import UserError
from nas_steps.models.mobile.network import MobileNetwork, build_mobile
from nas_steps.models.mobile.slicing import Importance, root_mean_square, sort_channels, start_from, start_supernet
from nas_steps.models.mobile.supernet import MobileSupernet
from nas_steps.pretrained.sources import as_network, read_package
from nas_steps.spaces.mobile.architectures import parse_mobile
from nas_steps.spaces.mobile.slices import misfit
from nas_steps.spaces.mobile.space import MobileSpace

#: blocks without an expansion, several of them in a stage, squeeze-excitation of both kinds
WHOLE = "stem_k3_s2_c8_silu/mb_r2_k3_e1_c16_se0.25/mb_r3_k5_s2_e4_c24_hse0.25/mb_r2_k3_s2_e6_c32_relu6/head_c64"
LITE0 = (
    "stem_k3_s2_c32_eps0.001_relu6/mb_k3_e1_c16/mb_r2_k3_s2_e6_c24/mb_r2_k5_s2_e6_c40/mb_r3_k3_s2_e6_c80/"
    "mb_r3_k5_e6_c112/mb_r4_k5_s2_e6_c192/mb_k3_e6_c320/head_c1280_p0.2"
)
SPACE = MobileSpace.declare(
    "slices",
    {
        "stem": {"width": 8, "kernel": 3, "stride": 2, "activation": "silu"},
        "stages": [
            {"width": [8, 16], "depth": [1, 2], "kernel": 3, "squeeze": "se0.25"},
            {"width": 24, "stride": 2, "depth": [2, 3], "kernel": [3, 5], "expansion": [2, 4], "squeeze": "hse0.25"},
            {"width": 32, "stride": 2, "depth": [1, 2], "kernel": 3, "expansion": [3, 6], "activation": "relu6"},
        ],
        "head": {"width": 64},
    },
)


def network(text: str = WHOLE, seed: int = 0) -> MobileNetwork:
    """Build a network in evaluation mode whose batch norms are those of no initialisation."""
    torch.manual_seed(seed)
    made = build_mobile(text, inputs=3, classes=5, side=32)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.uniform_(0.5, 2)
            for tensor in (module.bias.data, module.running_mean):
                tensor.normal_()
    return made.eval()


def images(side: int = 32, count: int = 4) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("importance", ["activation", "l1", "bn"])
def test_sorted_channels_compute_the_same(importance: Importance) -> None:
    made = network().double()
    before = made(images().double())
    weights = [one.clone() for one in made.parameters()]
    sort_channels(made, importance)
    assert any(not torch.equal(one, other) for one, other in zip(weights, made.parameters(), strict=True))
    torch.testing.assert_close(made(images().double()), before, rtol=1e-10, atol=1e-10)


def test_expanded_channels_are_sorted_by_the_weights_that_make_them() -> None:
    made = network()
    sort_channels(made, "l1")
    norms = made.features[2][1].block[0][0].weight.abs().sum((1, 2, 3))
    assert torch.all(norms.diff() <= 1e-5)
    sort_channels(made, "bn")
    assert torch.all(made.features[2][1].block[1][1].weight.abs().diff() <= 0)


def test_the_whole_is_a_slice_of_itself() -> None:
    whole, other = network(), network(seed=7)
    assert start_from(other, whole.state_dict(), "the whole") == len(whole.state_dict()) - 2
    other.classifier.load_state_dict(whole.classifier.state_dict())
    torch.testing.assert_close(other(images()), whole(images()), rtol=0, atol=1e-5)


def test_a_slice_has_the_centres_and_the_first_channels() -> None:
    whole = network()
    part = network(
        "stem_k3_s2_c8_silu/mb_k3_e1_c8_se0.25/mb_r2_k3_s2_e2_c24_hse0.25/mb_k3_s2_e3_c32_relu6/head_c64", seed=3
    )
    classifier = part.classifier[1].weight.clone()
    start_from(part, whole.state_dict(), "the whole")
    depthwise, theirs = part.features[2][0].block[1][0].weight, whole.features[2][0].block[1][0].weight
    assert theirs.shape[2] == 5
    torch.testing.assert_close(depthwise, theirs[: len(depthwise), :, 1:4, 1:4], rtol=0, atol=0)
    torch.testing.assert_close(part.features[1][0].block[2][0].weight, whole.features[1][0].block[2][0].weight[:8])
    assert 0.005 < part.classifier[1].weight.std() < 0.02 < classifier.std()
    assert not part.classifier[1].bias.any()


@pytest.mark.parametrize("importance", ["activation", "l1", "bn", "first"])
def test_paths_of_a_supernet_start_as_slices(importance: Importance) -> None:
    whole = network()
    sort_channels(whole, importance)
    supernet = MobileSupernet(SPACE, inputs=3, classes=5, entangled=True).eval()
    start_supernet(supernet, whole.state_dict(), "the whole")
    for architecture in (SPACE.largest(), SPACE.smallest()):
        alone = network(str(architecture), seed=5)
        start_from(alone, whole.state_dict(), "the whole")
        width = architecture.stages[-1][-1].width
        alone.classifier.load_state_dict(supernet.modules_of[f"head-c{width}"].classifier.state_dict())
        torch.testing.assert_close(supernet(images(), architecture), alone(images()), rtol=1e-5, atol=1e-5)


def test_a_network_that_is_no_slice_is_refused_in_words() -> None:
    other = network("stem_k3_s2_c8_silu/mb_k7_e1_c16/head_c64")
    with pytest.raises(
        UserError, match=r"no slice of lite: \d+ of \d+ tensors do not fit, such as features.1.0.*\[8, "
    ):
        start_from(other, network().state_dict(), "lite")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"stem": {"width": 16, "kernel": 3, "stride": 2, "activation": "silu"}}, r"stem.width is 16, not 8"),
        ({"head": {"width": 32}}, "head.width is 32, not 64"),
        ({"stages": [{"width": [8, 16]}]}, "it has 1 stages, not 3"),
        ({1: {"depth": [2, 4]}}, r"stages\[1\].depth is 4, more than 3"),
        ({1: {"width": 32}}, r"stages\[1\].width is 32, more than 24"),
        ({1: {"stride": 1}}, r"stages\[1\].stride is 1, not 2"),
        ({1: {"kernel": [3, 7]}}, r"stages\[1\], layer 1: k7_e2_hse0.25 has a kernel above 5"),
        ({1: {"expansion": [1, 4]}}, r"stages\[1\], layer 1: k3_e1_hse0.25 is no slice of expansion 4"),
        ({1: {"squeeze": "none"}}, r"has not the squeeze-excitation hse0.25"),
        ({2: {"activation": "relu"}}, r"stages\[2\].activation is relu, not relu6"),
    ],
)
def test_spaces_that_are_no_slices(change: dict, reason: str | None) -> None:
    stages = [
        {"width": [8, 16], "depth": [1, 2], "kernel": 3, "squeeze": "se0.25"},
        {"width": 24, "stride": 2, "depth": [2, 3], "kernel": [3, 5], "expansion": [2, 4], "squeeze": "hse0.25"},
        {"width": 32, "stride": 2, "depth": [1, 2], "kernel": 3, "expansion": [3, 6], "activation": "relu6"},
    ]
    for number, more in ((key, value) for key, value in change.items() if isinstance(key, int)):
        stages[number] = {**stages[number], **more}
    keys = {
        "stem": {"width": 8, "kernel": 3, "stride": 2, "activation": "silu"}, "stages": stages, "head": {"width": 64}
    }  # fmt: skip
    space = MobileSpace.declare("own", keys | {key: value for key, value in change.items() if isinstance(key, str)})
    found = misfit(space, parse_mobile(WHOLE))
    if reason is None:
        assert found is None
    else:
        assert found is not None
        assert re.search(reason, found), found


@pytest.mark.skipif(not installed("lite0"), reason="the package of the weights is not installed")
def test_importance_beats_the_first_channels_on_real_weights() -> None:
    source = read_package("lite0")
    # smooth noise, which has the spectrum of photos more than white noise has
    noise = torch.randn(8, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    photos = nn.functional.interpolate(noise, size=96, mode="bicubic").clamp(-1, 1)
    errors = {}
    for importance in ("first", "l1", "bn", "activation"):
        whole = MobileNetwork(parse_mobile(LITE0), inputs=3, classes=1000)
        as_network(source.state, whole, "those of lite0")
        sort_channels(whole, importance)  # type: ignore[arg-type]
        narrower = LITE0.replace("mb_r4_k5_s2_e6", "mb_r4_k5_s2_e4").replace("mb_r2_k3_s2_e6", "mb_r2_k3_s2_e4")
        part = MobileNetwork(parse_mobile(narrower), inputs=3, classes=1000)
        start_from(part, whole.state_dict(), "lite0")
        with torch.no_grad():
            features = [one.eval().features(photos).mean((2, 3)) for one in (whole, part)]
        errors[importance] = float(1 - nn.functional.cosine_similarity(*features).mean())
    assert errors["l1"] < errors["first"], errors
    assert errors["activation"] < 0.8 * errors["l1"], errors


def test_the_root_mean_square_of_an_activation() -> None:
    norm = nn.BatchNorm2d(3)
    norm.weight.data = torch.tensor([1.0, 0.5, -2.0])
    norm.bias.data = torch.tensor([0.0, 3.0, -1.0])
    drawn = norm.bias + norm.weight * torch.randn(400_000, 1, generator=torch.Generator().manual_seed(0))
    for activation in (nn.ReLU6(), nn.SiLU()):
        expected = activation(drawn).pow(2).mean(0).sqrt()
        torch.testing.assert_close(root_mean_square(norm, activation), expected, rtol=0.02, atol=0.002)
