"""The supernet of language models: slices of the largest weights, equal to networks of their own."""

from __future__ import annotations

from random import Random

import pytest
import torch
from torch import Tensor

from nas_steps.errors import UserError
from nas_steps.models.language.network import build_language
from nas_steps.models.language.supernet import LanguageSupernet, spread
from nas_steps.spaces.language.parsing import parse_language
from nas_steps.spaces.language.presets import PRESETS
from nas_steps.spaces.language.space import LanguageSpace

#: widths, heads, heads of keys and values, windows, expansions and depths
ELASTIC = {
    "vocabulary": 40,
    "depth": [2, 3, 5],
    "width": [16, 24, 48],
    "mixer": ["attn_h2", "attn_h4", "attn_h4_kv2", "attn_h4_kv1_w5"],
    "feed_forward": ["relu2_e1", "relu2_e4", "relu2_e2"],
}
#: all kinds of mixers and parts, with all that a frame can have
WHOLE = {
    **ELASTIC,
    "extras": "bias_enorm_x0_unet_cap30",
    "mixer": [
        "attn_h2_c3_qkn_vr", "attn_h4_c3_qkn_vr", "attn_h4", "conv_k3", "conv_k2", "gla_h2", "gla_h4", "gru_e1",
        "gru_e1.5", "none",
    ],
    "feed_forward": ["relu2_e1", "relu2_e4", "swiglu_e2.667", "gelu_e2", "none"],
}  # fmt: skip
SPACES = {
    "elastic": ELASTIC,
    "whole": WHOLE,
    "parallel": {**WHOLE, "order": "parallel", "norm": "ln", "embedding": "tied"},
    "learned positions": {**ELASTIC, "position": "pos12", "norm": "rmsplain"},
    "one layer for all": {**ELASTIC, "by": "network", "extras": "zero_unet", "depth": [1, 4]},
}


def space_of(name: str) -> LanguageSpace:
    return LanguageSpace.declare(name, SPACES[name])


def supernet_of(name: str) -> LanguageSupernet:
    torch.manual_seed(0)
    supernet = LanguageSupernet(space_of(name))
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return supernet


def tokens_of(seed: int, length: int = 12) -> Tensor:
    return torch.randint(40, (2, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", SPACES)
def test_a_slice_is_a_network_of_its_own(name: str) -> None:
    supernet, random = supernet_of(name), Random(0)
    for seed in range(12):
        architecture = supernet.space.sample(random)
        alone, tokens = supernet.standalone(architecture), tokens_of(seed)
        ours, theirs = supernet(tokens, architecture), alone(tokens)
        assert theirs.std() > 0.01
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
        supernet.zero_grad()
        weights = torch.randn(ours.shape, generator=torch.Generator().manual_seed(9))
        (ours * weights).sum().backward()
        (theirs * weights).sum().backward()
        _, slices = supernet._planned(architecture)
        for key, parameter in alone.named_parameters():
            one = slices[key]
            gradient = supernet.weights[one.weight].grad
            if parameter.grad is None:
                assert gradient is None or not gradient.any(), key
                continue
            mine = gradient.view(one.whole)[tuple(map(slice, one.sizes))].reshape(one.shape)
            torch.testing.assert_close(mine, parameter.grad, rtol=1e-5, atol=1e-5, msg=key)


@pytest.mark.parametrize("name", SPACES)
def test_what_a_network_does_not_have_gets_no_gradient(name: str) -> None:
    supernet = supernet_of(name)
    architecture = supernet.space.sample(Random(3))
    supernet(tokens_of(0), architecture).square().sum().backward()
    _, slices = supernet._planned(architecture)
    own = {one.weight: one for one in slices.values()}
    for key, parameter in supernet.weights.items():
        if key not in own:
            assert parameter.grad is None, key
        elif parameter.grad is not None:
            rest = parameter.grad.view(own[key].whole).clone()
            rest[tuple(map(slice, own[key].sizes))] = 0
            assert not rest.any(), key


def test_narrower_networks_have_the_first_channels_of_the_first_heads() -> None:
    supernet = supernet_of("elastic")
    narrow, wide = (
        supernet.standalone(supernet.space.parse(f"lm_v40_d{width}_rope_rms/2x_attn_h{heads}+relu2_e{expansion}"))
        for width, heads, expansion in ((16, 2, 1), (48, 4, 4))
    )
    one, other = (network.layers[1].mixer for network in (narrow, wide))
    # (heads, halves that turn together, channels of a half, width): 2 heads of 8 channels, 4 of 12
    ours, theirs = one.q.weight.view(2, 2, 4, 16), other.q.weight.view(4, 2, 6, 48)
    torch.testing.assert_close(ours, theirs[:2, :, :4, :16], rtol=0, atol=0)
    back, whole = one.project.weight.view(16, 2, 2, 4), other.project.weight.view(48, 4, 2, 6)
    torch.testing.assert_close(back, whole[:16, :2, :, :4], rtol=0, atol=0)
    hidden, all_hidden = (network.layers[1].feed_forward.inner.weight for network in (narrow, wide))
    torch.testing.assert_close(hidden, all_hidden[:16, :16], rtol=0, atol=0)
    torch.testing.assert_close(narrow.embedding.weight, wide.embedding.weight[:, :16], rtol=0, atol=0)


def test_shallower_networks_have_layers_spread_evenly() -> None:
    assert [spread(number, 1, 6) for number in range(1)] == [0]
    assert [spread(number, 2, 6) for number in range(2)] == [0, 5]
    assert [spread(number, 3, 6) for number in range(3)] == [0, 3, 5]
    assert [spread(number, 4, 6) for number in range(4)] == [0, 2, 3, 5]
    for most in range(1, 30):
        for depth in range(1, most + 1):
            places = [spread(number, depth, most) for number in range(depth)]
            assert len(set(places)) == depth
            assert places == sorted(places)
            assert places[-1] == (most - 1 if depth > 1 else 0)
    supernet = supernet_of("elastic")
    layer = "attn_h4+relu2_e2"
    shallow, deep = (
        supernet.standalone(supernet.space.parse(f"lm_v40_d24_rope_rms/{depth}x_{layer}")) for depth in (3, 5)
    )
    for number, place in enumerate((0, 2, 4)):
        for key, parameter in shallow.layers[number].named_parameters():
            assert torch.equal(parameter, deep.layers[place].get_parameter(key))


def test_mixers_of_one_kind_share_and_others_do_not() -> None:
    supernet = supernet_of("whole")
    names = {name.split("/")[3] for name in supernet.weights if "/mixer/" in name}
    assert names == {"attn_h1_c3_qkn_vr", "attn_h1", "conv_k3", "conv_k2", "gla", "gru"}
    parts = {name.split("/")[3] for name in supernet.weights if "/feed_forward/" in name}
    assert parts == {"relu2", "swiglu", "gelu"}


@pytest.mark.parametrize("name", SPACES)
def test_weights_start_as_those_of_the_largest_network(name: str) -> None:
    torch.manual_seed(1)
    supernet = LanguageSupernet(space_of(name))
    widest = max(supernet.space.choices.widths)
    layers = [layer for layer in supernet.space.choices.places if layer.mixer and layer.feed_forward]
    settings = tuple(values[0] for values in supernet.space.choices.settings)
    frame = supernet.space.choices.frame(widest, settings)
    for layer in layers:
        alone = build_language(f"{frame}/{max(supernet.space.choices.depths)}x_{layer}")
        _, slices = supernet._planned(supernet.space.parse(f"{frame}/{max(supernet.space.choices.depths)}x_{layer}"))
        for key, parameter in alone.named_parameters():
            whole = supernet.weights[slices[key].weight]
            error = float(parameter.detach().std(correction=0)) * (2 / parameter.numel()) ** 0.5
            assert whole.mean().item() == pytest.approx(parameter.mean().item(), abs=5 * error + 1e-9), key
            if parameter.numel() > 200:
                assert whole.std().item() == pytest.approx(parameter.std().item(), rel=0.15), key


def test_scales_and_biases_have_one_dimension_as_weight_decay_wants() -> None:
    supernet = supernet_of("whole")
    flat = {name.rpartition("/")[2] for name, one in supernet.weights.items() if one.ndim <= 1}
    assert {name.rpartition("/")[2] for name, one in supernet.weights.items() if one.ndim > 1} == {"weight"}
    assert flat == {"weight", "bias", "mix", "share", "skip_weights"}
    assert all(one.ndim <= 1 for name, one in supernet.weights.items() if "norm" in name)


def test_a_preset_with_one_frame_has_a_supernet() -> None:
    keys = {"vocabulary": 256, "depth": [2, 4], "width": [64, 128], "mixer": ["attn_h4", "attn_h8", "gla_h4"]}
    space = LanguageSpace.declare("small", {**keys, "feed_forward": ["relu2_e2", "relu2_e4"]})
    supernet = LanguageSupernet(space)
    largest = build_language("lm_v256_d128_rope_rms/4x_attn_h4+relu2_e4")
    total = sum(one.numel() for name, one in supernet.weights.items() if "gla" not in name)
    # attention with room for 8 heads of 32 channels has twice the weights
    extra = 4 * sum(one.numel() for name, one in largest.layers[0].named_parameters() if name.startswith("mixer."))
    assert total == sum(one.numel() for one in largest.parameters()) + extra


def test_networks_of_different_frames_share_no_weights() -> None:
    with pytest.raises(
        ValueError, match=r"differ in position \(rope, pos256\): they can share weights .*give position one value"
    ):
        LanguageSupernet(PRESETS["language_small"])


def test_an_architecture_of_another_space_is_refused() -> None:
    other = parse_language("lm_v40_d32_rope_rms/2x_attn_h2+relu2_e1")
    with pytest.raises(UserError, match="depth x width is 2 x 32"):
        supernet_of("elastic")(tokens_of(0), other)
