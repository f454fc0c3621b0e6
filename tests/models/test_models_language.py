"""Networks of language models: against plain ones, token by token, counted, causal, deterministic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import plain_language as plain
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from without_float64 import without_float64

from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.models.build import build, size
from nas_steps.models.language.attention import attend
from nas_steps.models.language.mixers import GatedConvolution, GatedLinearAttention, MinGruMixer
from nas_steps.models.language.network import LanguageModel, build_language
from nas_steps.models.language.scan import gated_linear_attention, scan
from nas_steps.spaces.costs import Shape
from nas_steps.spaces.language.baselines import baseline
from nas_steps.spaces.language.blocks import LanguageBlocks
from nas_steps.spaces.language.costs import count_architecture, flops_per_token, in_blocks
from nas_steps.spaces.language.parsing import parse_language
from nas_steps.spaces.language.presets import PRESETS
from nas_steps.spaces.language.space import LanguageSpace
from nas_steps.spaces.protocol import members

MIXERS = (
    "attn_h4", "attn_h4_kv2", "attn_h4_kv1_w5", "attn_h4_w12", "attn_h4_c3", "attn_h4_w3_c3_qkn_vr", "conv_k3",
    "conv_k2", "gla_h4", "gru_e1", "gru_e1.5", "none",
)  # fmt: skip
ORDERS = ("", "_par")
#: all that a frame can have, with every kind of layer
WHOLE = (
    "lm_v50_d32_rope_rms_bias_x0_unet_enorm_cap30/attn_h4_vr+gelu_e4/conv_k3+swiglu_e2.667/attn_h4_w5_vr_qkn+none/"
    "gla_h2+relu2_e4/attn_h4_kv2_c3+gelu_e1/gru_e1+relu2_e2/attn_h4_vr+gelu_e4"
)


def stirred(network: LanguageModel, seed: int = 0) -> LanguageModel:
    """Give all parameters weights that matter, also those that start at zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network


def tokens_of(vocabulary: int, shape: tuple[int, int], seed: int = 1) -> Tensor:
    return torch.randint(vocabulary, shape, generator=torch.Generator().manual_seed(seed))


def gradients(logits: Tensor, network: LanguageModel) -> list[Tensor]:
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(2)) / logits.numel() ** 0.5
    found = torch.autograd.grad((logits * weights).sum(), list(network.parameters()), allow_unused=True)
    return [
        torch.zeros_like(one) if grad is None else grad for one, grad in zip(network.parameters(), found, strict=True)
    ]


BASELINES: dict[str, tuple[dict[str, int], Callable[..., Tensor], dict[str, int]]] = {
    "gpt2": ({"heads": 4, "positions": 24}, plain.gpt2, {"heads": 4}),
    "primer_ez": ({"heads": 4, "positions": 24}, plain.gpt2, {"heads": 4, "primer": True}),
    "llama": ({"heads": 4}, plain.llama, {"heads": 4, "kv_heads": 4}),
    "llama with grouped queries": ({"heads": 4, "kv_heads": 2}, plain.llama, {"heads": 4, "kv_heads": 2}),
    "nanogpt_speedrun": ({"heads": 2}, plain.speedrun, {"heads": 2}),
}


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_is_the_plain_network_of_its_paper(name: str) -> None:
    keys, theirs, arguments = BASELINES[name]
    architecture = baseline(name.partition(" ")[0], depth=4, width=32, vocabulary=40, **keys)
    torch.manual_seed(0)
    network = stirred(build_language(architecture))
    tokens = tokens_of(40, (2, 19))
    ours = network(tokens)
    expected = theirs(dict(network.named_parameters()), tokens, depth=4, **arguments)
    assert ours.shape == (2, 19, 40)
    assert ours.std() > 0.5
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
    found, wanted = gradients(ours, network), gradients(expected, network)
    for (parameter, _), one, other in zip(network.named_parameters(), found, wanted, strict=True):
        scale = float(other.abs().max())
        assert scale > 0 or parameter.endswith(("k.bias", "layers.0.mixer.share")), parameter
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * max(1.0, scale), msg=parameter)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        # Radford et al. 2019: GPT-2 small, medium, large and XL
        ("lm_v50257_d768_pos1024_ln_tied_bias/12x_attn_h12+gelu_e4", 124_439_808),
        ("lm_v50257_d1024_pos1024_ln_tied_bias/24x_attn_h16+gelu_e4", 354_823_168),
        ("lm_v50257_d1280_pos1024_ln_tied_bias/36x_attn_h20+gelu_e4", 774_030_080),
        ("lm_v50257_d1600_pos1024_ln_tied_bias/48x_attn_h25+gelu_e4", 1_557_611_200),
        # Llama 2 7B and 13B (Touvron et al. 2023), Llama 3 8B and 70B (Grattafiori et al. 2024)
        ("lm_v32000_d4096_rope_rms/32x_attn_h32+swiglu_e2.6875", 6_738_415_616),
        ("lm_v32000_d5120_rope_rms/40x_attn_h40+swiglu_e2.7", 13_015_864_320),
        ("lm_v128256_d4096_rope500000_rms/32x_attn_h32_kv8+swiglu_e3.5", 8_030_261_248),
        ("lm_v128256_d8192_rope500000_rms/80x_attn_h64_kv8+swiglu_e3.5", 70_553_706_496),
    ],
)
def test_published_networks_have_their_published_parameters(text: str, parameters: int) -> None:
    assert count_architecture(parse_language(text), 1024)[0] == parameters
    with torch.device("meta"):
        network = build_language(text)
    assert sum(one.numel() for one in network.parameters()) == parameters


def test_the_speed_run_has_the_parameters_of_its_record() -> None:
    # two tables of 50,304 x 768; 12 layers of 12 x 768^2 weights, one share and two mixes; 6 skips
    expected = 2 * 50304 * 768 + 12 * (12 * 768**2 + 3) + 6
    architecture = baseline("nanogpt_speedrun", depth=12, width=768, vocabulary=50304)
    assert count_architecture(architecture, 1024)[0] == expected


def test_flops_of_a_token_are_twice_the_weights_and_the_attention() -> None:
    architecture = baseline("gpt2", depth=12, width=768, vocabulary=50257)
    weights = 12 * 12 * 768**2 + 50257 * 768
    assert flops_per_token(architecture, 1024) == 2 * weights + 12 * 4 * 768 * 1024
    with pytest.raises(UserError, match="the sequence has 1025 tokens, but pos1024 has 1024 positions"):
        flops_per_token(architecture, 1025)


def every_kind() -> Iterator[str]:
    random = Random(0)
    for norm in ("rms", "ln", "rmsplain"):
        for flags in ("", "_bias", "_tied_bias_par", "_x0_unet_enorm_cap30_zero", "_tied_zero"):
            layers = [f"{random.choice(MIXERS)}+{random.choice(('gelu_e4', 'swiglu_e2.667', 'none'))}" for _ in MIXERS]
            yield f"lm_v50_d32_{random.choice(('rope', 'pos100', 'nope'))}_{norm}{flags}/{'/'.join(layers)}"
    yield from (f"lm_v50_d32/{mixer}+relu2_e1.3" for mixer in MIXERS)


@pytest.mark.parametrize("text", every_kind())
@pytest.mark.parametrize("context", [1, 16, 37, 100])
def test_costs_are_those_of_the_network_to_the_unit(text: str, context: int) -> None:
    architecture = parse_language(text)
    parameters, macs = count_architecture(architecture, context)
    network = build_language(architecture)
    assert sum(one.numel() for one in network.parameters()) == parameters
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        network(tokens_of(50, (3, context)))
    assert counter.get_total_flops() == 3 * 2 * macs


LITTLE = {
    "settings": {
        "depth": [1, 2], "width": [32, 64], "position": ["rope", "pos64"], "norm": ["rms", "ln"],
        "order": ["sequential", "parallel"], "embedding": ["untied", "tied"], "extras": ["none", "bias", "x0_unet"],
        "mixer": ["attn_h4_kv2", "none"], "feed_forward": "gelu_e4",
    },
    "layers": {
        "depth": [1, 3], "width": 32, "mixer": ["attn_h4_w8", "gla_h2", "conv_k3"],
        "feed_forward": ["swiglu_e2.667", "none"],
    },
    "network": {
        "by": "network", "sizes": [[2, 32], [3, 64]], "mixer": ["attn_h4", "gru_e2"], "feed_forward": "gelu_e4",
    },
}  # fmt: skip
little = pytest.mark.parametrize(
    "space", [LanguageSpace.declare(name, {"vocabulary": 40, **keys}) for name, keys in LITTLE.items()], ids=LITTLE
)


@little
def test_blocks_sum_to_the_architecture(space: LanguageSpace) -> None:
    blocks = LanguageBlocks(space)
    names = set(blocks.names())
    assert len(names) == len(blocks.names())
    used = set()
    for architecture in members(space):
        used |= set(blocks.of(architecture))
        counts = [blocks.count(name, Shape(1, 33, 256)) for name in blocks.of(architecture)]
        assert tuple(map(sum, zip(*counts, strict=True))) == count_architecture(architecture, 33)
    assert used == names


@little
def test_the_cheapest_architecture_is_the_cheapest_of_all(space: LanguageSpace) -> None:
    blocks = LanguageBlocks(space)
    for seed in range(5):
        random = Random(seed)
        prices = {name: random.uniform(-1, 1) for name in blocks.names()}

        def total(architecture: object, prices: dict[str, float] = prices) -> float:
            return sum(prices[name] for name in blocks.of(architecture))

        assert total(blocks.cheapest(prices.__getitem__)) == pytest.approx(min(map(total, members(space))))


def test_presets_have_the_sizes_that_they_promise() -> None:
    small, large = (LanguageBlocks(PRESETS[name]) for name in ("language_small", "language_gpt2"))

    def largest(blocks: LanguageBlocks) -> int:
        most = blocks.cheapest(lambda name: -blocks.count(name, Shape(1, 256, 256))[0])
        return count_architecture(most, 256)[0]

    assert largest(small) == 2_842_464
    assert largest(large) == 274_858_560
    drawn = [count_architecture(PRESETS["language_small"].sample(Random(seed)), 256)[0] for seed in range(200)]
    assert 100_000 < sorted(drawn)[5] < sorted(drawn)[100] < 1_000_000


@pytest.mark.parametrize("length", [1, 2, 5, 16, 33, 64, 100])
def test_the_scan_is_the_recurrence_token_by_token(length: int) -> None:
    generator = torch.Generator().manual_seed(length)
    decays = torch.rand(2, length, 7, generator=generator, dtype=torch.float64)
    inputs = torch.randn(2, length, 7, generator=generator, dtype=torch.float64)
    expected = plain.recurrence(decays, inputs)
    torch.testing.assert_close(scan(decays, inputs, 1), expected, rtol=1e-13, atol=1e-13)
    found = scan(decays.float(), inputs.float(), 1)
    torch.testing.assert_close(found, expected.float(), rtol=1e-6, atol=1e-6)
    shared = scan(decays[:, :, :1], inputs, 1)
    torch.testing.assert_close(shared, plain.recurrence(decays[:, :, :1], inputs), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 64, 100])
# a float32 sum of 16 logarithms near -80 is exact to 5e-6, and so is its exponential
@pytest.mark.parametrize(("strength", "tolerance"), [(0.0, 1e-6), (0.05, 1e-6), (1.0, 1e-6), (5.0, 5e-6)])
def test_gated_linear_attention_is_the_recurrence_token_by_token(
    length: int, strength: float, tolerance: float
) -> None:
    generator = torch.Generator().manual_seed(length)
    q, k, v = (torch.randn(2, 3, length, channels, generator=generator) for channels in (4, 4, 6))
    log_decays = -strength * torch.rand(2, 3, length, 4, generator=generator)
    expected = plain.linear_attention(*(one.double() for one in (q, k, v)), log_decays.double().exp())
    found = gated_linear_attention(q, k, v, log_decays, 16)
    scale = float(expected.abs().max())
    torch.testing.assert_close(found / scale, expected.float() / scale, rtol=0, atol=tolerance)


def test_a_gate_that_forgets_all_stays_finite() -> None:
    network = build_language("lm_v50_d32/gla_h4+none")
    mixer = network.layers[0].mixer
    assert isinstance(mixer, GatedLinearAttention)
    with torch.no_grad():
        mixer.decay[1].bias.fill_(-1e4)
    logits = network(tokens_of(50, (2, 40)))
    logits.square().sum().backward()
    assert logits.isfinite().all()
    assert all(one.grad.isfinite().all() for one in network.parameters() if one.grad is not None)


def test_the_linear_mixers_are_their_recurrences() -> None:
    """The whole mixers, from their own weights: a linear layer, the recurrence, a linear layer."""
    architecture = parse_language("lm_v50_d32/gru_e1.5+none/gla_h4+none/conv_k3+none")
    network = stirred(build_language(architecture))
    gru, gla, conv = (layer.mixer for layer in network.layers)
    x = torch.randn(2, 37, 32, generator=torch.Generator().manual_seed(3))
    assert isinstance(gru, MinGruMixer)
    update = torch.sigmoid(x @ gru.update.weight.T)
    state = plain.recurrence(1 - update, update * (x @ gru.candidate.weight.T))
    torch.testing.assert_close(gru(x, None), state @ gru.project.weight.T, rtol=1e-5, atol=1e-6)

    assert isinstance(gla, GatedLinearAttention)
    q, k, v = (torch.stack(plain.heads_of(x @ one.weight.T, 4), 1) for one in (gla.q, gla.k, gla.v))
    logits = x @ gla.decay[0].weight.T @ gla.decay[1].weight.T + gla.decay[1].bias
    decays = torch.stack(plain.heads_of(torch.sigmoid(logits) ** (1 / 16), 4), 1)
    found = plain.linear_attention(q / 4**0.5, k, v, decays)
    found = torch.cat(list(plain.rms_norm(found, gla.norm.weight).unbind(1)), -1)
    gate = x @ gla.gate.weight.T
    expected = (found * gate * torch.sigmoid(gate)) @ gla.project.weight.T
    torch.testing.assert_close(gla(x, None), expected, rtol=1e-5, atol=1e-5)

    assert isinstance(conv, GatedConvolution)
    one, two, three = (x @ conv.inner.weight.T).chunk(3, -1)
    expected = (two * plain.causal_convolution(one * three, conv.convolution.weight)) @ conv.project.weight.T
    torch.testing.assert_close(conv(x, None), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("window", "length"), [(1, 9), (3, 7), (4, 16), (5, 23), (8, 9), (16, 60), (30, 31), (40, 31)])
def test_a_window_sees_the_last_tokens_alone(window: int, length: int) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, length, 4, generator=generator) for _ in range(3))
    scores = q @ k.transpose(-1, -2) / 2
    ages = torch.arange(length)[:, None] - torch.arange(length)
    expected = scores.masked_fill((ages < 0) | (ages >= window), -torch.inf).softmax(-1) @ v
    torch.testing.assert_close(attend(q, k, v, window), expected, rtol=1e-5, atol=1e-6)


def test_windows_are_in_blocks_if_that_saves_half_of_the_pairs() -> None:
    assert [in_blocks(window, 64) for window in (0, 1, 8, 12, 15, 16, 64, 65)] == [
        False, True, True, True, False, False, False, False
    ]  # fmt: skip


@pytest.mark.parametrize("mixer", MIXERS)
@pytest.mark.parametrize("order", ORDERS)
def test_a_later_token_changes_no_earlier_logit(mixer: str, order: str) -> None:
    network = stirred(build_language(f"lm_v50_d32_rope_rms_x0_unet{order}/2x_{mixer}+gelu_e4"))
    tokens = tokens_of(50, (2, 40))
    before = network(tokens)
    for place in (1, 17, 39):
        changed = tokens.clone()
        changed[:, place:] = (changed[:, place:] + 7) % 50
        after = network(changed)
        torch.testing.assert_close(after[:, :place], before[:, :place], rtol=0, atol=1e-6)
        assert (after[:, place] - before[:, place]).abs().max() > 0.1


@pytest.mark.parametrize("mixer", [mixer for mixer in MIXERS if mixer != "none"])
def test_a_mixer_carries_earlier_tokens_to_later_ones(mixer: str) -> None:
    network = stirred(build_language(f"lm_v50_d32/{mixer}+gelu_e4"))
    tokens = tokens_of(50, (2, 40))
    changed = tokens.clone()
    changed[:, 20] = (changed[:, 20] + 7) % 50
    assert (network(changed)[:, 21] - network(tokens)[:, 21]).abs().max() > 1e-3


@pytest.mark.parametrize("text", [WHOLE, *(f"lm_v50_d32{order}/2x_{m}+gelu_e4" for m in MIXERS for order in ORDERS)])
def test_token_by_token_is_the_whole_sequence(text: str) -> None:
    network = stirred(build_language(text)).eval()
    tokens = tokens_of(50, (2, 23))
    with torch.no_grad():
        whole = network(tokens)
        past, branches = network.start(), []
        for place in range(tokens.shape[1]):
            branches.append(past)
            logits, past = network.step(tokens[:, place], past)
            torch.testing.assert_close(logits, whole[:, place], rtol=1e-4, atol=1e-4)
        # a state stays as it was, so that another continuation may start from it
        again, _ = network.step(tokens[:, 11], branches[11])
        torch.testing.assert_close(again, whole[:, 11], rtol=1e-4, atol=1e-4)
    window = past.layers[2] if text == WHOLE else {}
    assert all(one.shape[2] == 5 for one in window.values())


def test_skips_join_the_halves_of_a_network_and_leave_out_its_middle() -> None:
    network = stirred(build_language("lm_v50_d32_nope_rms_unet/5x_none+gelu_e4"))
    x = network.embedding(tokens_of(50, (2, 9)))
    weights = network.skip_weights
    assert weights is not None
    assert len(weights) == 2
    zeroth = network.layers[0](x, x, None)
    first = network.layers[1](zeroth, x, None)
    middle = network.layers[2](first, x, None)
    third = network.layers[3](middle + weights[0] * first, x, None)
    last = network.layers[4](third + weights[1] * zeroth, x, None)
    expected = network.head(network.norm(last))
    torch.testing.assert_close(network(tokens_of(50, (2, 9))), expected)


def test_both_parts_of_a_parallel_layer_read_one_norm() -> None:
    network = stirred(build_language("lm_v50_d32_nope_rms_par/conv_k3+gelu_e4/conv_k3+none/none+gelu_e4"))
    x = network.embedding(tokens_of(50, (2, 9)))
    both, conv, rest = network.layers
    normed = plain.rms_norm(x, both.mixer_norm.weight)
    x = x + both.mixer(normed, None) + both.feed_forward(normed)
    x = x + conv.mixer(plain.rms_norm(x, conv.mixer_norm.weight), None)
    x = x + rest.feed_forward(plain.rms_norm(x, rest.feed_forward_norm.weight))
    expected = network.head(plain.rms_norm(x, network.norm.weight))
    torch.testing.assert_close(network(tokens_of(50, (2, 9))), expected, rtol=1e-4, atol=1e-5)


def test_values_are_mixed_with_those_of_the_first_layer_of_their_shape() -> None:
    text = "lm_v50_d32_nope_rms/attn_h4_vr+none/attn_h4_kv2_vr+none/attn_h4_kv2_vr+none/attn_h4_vr+none"
    network = stirred(build_language(text))
    shares = [layer.mixer.share for layer in network.layers]
    # the first of a shape mixes its values with themselves
    found = torch.autograd.grad(network(tokens_of(50, (1, 9))).square().sum(), shares)
    assert [abs(float(one)) > 1e-3 for one in found] == [False, False, True, True]


def test_learned_positions_bound_the_sequence() -> None:
    network = build_language("lm_v50_d32_pos8_ln/attn_h4+gelu_e4")
    assert network(tokens_of(50, (1, 8))).shape == (1, 8, 50)
    with pytest.raises(UserError, match="the sequence has 9 tokens, but pos8 has 8 positions"):
        network(tokens_of(50, (1, 9)))
    past = network.start()._replace(position=8)
    with pytest.raises(UserError, match="9 tokens"):
        network.step(tokens_of(50, (1, 1))[:, 0], past)


def test_training_is_deterministic() -> None:
    def trained() -> list[Tensor]:
        torch.manual_seed(0)
        network = build_language(WHOLE)
        for seed in range(2):
            network(tokens_of(50, (2, 33), seed)).logsumexp(-1).sum().backward()
        return [one.grad for one in network.parameters() if one.grad is not None]

    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        for one, other in zip(trained(), trained(), strict=True):
            assert torch.equal(one, other)
    finally:
        torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize("text", [WHOLE, "lm_v50_d32_pos40_ln_bias_tied_par/attn_h4+gelu_e4/gla_h4+swiglu_e2.667"])
def test_bfloat16_is_near_float32(text: str) -> None:
    network = build_language(text)
    tokens = tokens_of(50, (2, 33))
    expected = network(tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(tokens)
        network.zero_grad()
        logits.float().logsumexp(-1).sum().backward()
    scale = float(expected.detach().std())
    assert (logits.float() - expected).std() < 0.05 * scale
    assert all(one.grad is not None and one.grad.isfinite().all() for one in network.parameters())


def test_weights_in_bfloat16_run() -> None:
    network = build_language(WHOLE).bfloat16()
    logits = network(tokens_of(50, (2, 33)))
    assert logits.dtype == torch.bfloat16
    assert logits.isfinite().all()
    step, _ = network.step(tokens_of(50, (2, 1))[:, 0], network.start())
    assert step.dtype == torch.bfloat16


def test_a_device_without_float64_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = tokens_of(50, (2, 33))
    network = build_language(WHOLE)
    expected = network(tokens)
    with without_float64(monkeypatch) as device:
        found = network.to(device)(tokens.to(device))
        found.sum().backward()
        torch.testing.assert_close(found.to("cpu"), expected)


@pytest.mark.parametrize("tied", ["", "_tied"])
def test_weights_are_saved_and_read_back(tmp_path: Path, tied: str) -> None:
    text = WHOLE.replace("_bias", f"{tied}_bias")
    network, other = build_language(text), build_language(text)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    tokens = tokens_of(50, (1, 9))
    assert torch.equal(network(tokens), other(tokens))


def test_weights_start_as_in_the_sources() -> None:
    torch.manual_seed(0)
    network = build_language("lm_v500_d256_pos64_ln_bias_tied/8x_attn_h4_c3+gelu_e4")
    layer = network.layers[0]
    assert network.head is None
    for weight, deviation in (
        (network.embedding.weight, 0.02),
        (network.positions.weight, 0.01),
        (layer.mixer.q.weight, 0.02),
        (layer.feed_forward.inner.weight, 0.02),
        (layer.mixer.project.weight, 0.02 / 4),
        (layer.feed_forward.project.weight, 0.02 / 4),
    ):
        assert float(weight.detach().std()) == pytest.approx(deviation, rel=0.05)
    assert not layer.mixer.q.bias.any()
    # Primer's code: 0.5 for the token itself, 0.5 / 3 for each of those before
    assert layer.mixer.convolutions["k"].weight[7, 0].tolist() == pytest.approx([0.5 / 3, 0.5 / 3, 0.5])
    zero = build_language("lm_v500_d256_rope_rmsplain_zero/8x_attn_h4+relu2_e4")
    assert float(zero.embedding.weight.detach().std()) == pytest.approx(1, rel=0.05)
    assert not zero.head.weight.any()
    assert not zero.layers[0].mixer.project.weight.any()
    assert float(zero.layers[0].mixer.q.weight.detach().abs().max()) == pytest.approx(1 / 16, rel=0.01)
    assert not zero(tokens_of(500, (1, 9))).any()


def test_a_language_model_is_built_by_its_string() -> None:
    shape = {"inputs": 1, "classes": 50, "side": 33}
    network = build(WHOLE, Network(), **shape)
    assert network(tokens_of(50, (2, 33))).shape == (2, 33, 50)
    found = size(WHOLE, Network(), **shape)
    assert (found.parameters, found.macs) == count_architecture(parse_language(WHOLE), 33)
    with pytest.raises(UserError, match="a vocabulary of 50 tokens, the data has 51; give it v51"):
        build(WHOLE, Network(), inputs=1, classes=51, side=33)
