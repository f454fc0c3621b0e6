"""A larger network starts from a smaller one's weights; what activations take."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas_steps.config.space import Network
from nas_steps.models.build import build
from nas_steps.models.count import activation_bytes
from nas_steps.models.inherit import Inherited, blocks, inherit

TWO = "normal:|sep_conv_3x3~0|skip_connect~1|;reduce:|max_pool_3x3~0|nor_conv_1x1~1|"
ONE = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|"
MOBILE = "stem_k3_c8_relu/mb_r2_k3_s2_e2_c8_se0.25/mb_k3_s2_e2_c{last}/head_c32"
DEEPER = "stem_k3_c8_relu/mb_r4_k3_s2_e2_c8_se0.25/mb_r2_k3_s2_e2_c{last}/head_c32"


def made(architecture: str, seed: int, **network: int) -> nn.Module:
    torch.manual_seed(seed)
    return build(architecture, Network(**network), inputs=1, classes=10, side=8)


@pytest.mark.parametrize(
    ("architecture", "network"),
    [
        (TWO, {"cells": 6, "channels": 4}),
        (ONE, {"cells": 2, "channels": 4}),
        (MOBILE.format(last=16), {}),
        ("resnet20", {}),
    ],
)
def test_an_equal_network_inherits_everything(architecture: str, network: dict[str, int]) -> None:
    larger, smaller = made(architecture, 0, **network), made(architecture, 1, **network)
    found = inherit(larger, smaller)
    assert (found.partly, found.fresh) == (0, 0)
    state = smaller.state_dict()
    assert found.whole == len(state)
    assert all(torch.equal(tensor, state[name]) for name, tensor in larger.state_dict().items())


def test_added_layers_are_copies_of_the_last_of_their_stage() -> None:
    larger, smaller = made(DEEPER.format(last=16), 0), made(MOBILE.format(last=16), 1)
    found = inherit(larger, smaller)
    assert found.fresh == 0
    state, source = larger.state_dict(), smaller.state_dict()
    for number in (1, 2, 3):
        name = "block.1.0.weight"
        assert torch.equal(state[f"features.1.{number}.{name}"], source[f"features.1.1.{name}"])
    # the second stage's only block takes 8 channels, the one that is added to it 16
    expand = "block.0.0.weight"
    assert torch.equal(state[f"features.2.0.{expand}"], source[f"features.2.0.{expand}"])
    assert torch.equal(state[f"features.2.1.{expand}"][:16, :8], source[f"features.2.0.{expand}"])


def test_wider_layers_take_the_leading_channels_and_keep_the_rest_as_initialised() -> None:
    larger, smaller = made(MOBILE.format(last=24), 0), made(MOBILE.format(last=16), 1)
    before = {name: tensor.clone() for name, tensor in larger.state_dict().items()}
    found = inherit(larger, smaller)
    assert found.partly > 0
    name = "features.2.0.block.3.0.weight"  # the projection, (out, in, 1, 1)
    after, source = larger.state_dict()[name], smaller.state_dict()[name]
    assert torch.equal(after[:16], source)
    assert torch.equal(after[16:], before[name][16:])


def test_cells_keep_their_stage_when_a_network_gets_deeper() -> None:
    smaller, larger = made(TWO, 1, cells=6, channels=4), made(TWO, 0, cells=9, channels=4)
    # reductions at 2 and 4, and at 3 and 6
    assert [place[:2] for place in blocks(larger).values()] == [
        (0, "normal"), (0, "normal"), (0, "normal"), (1, "reduction"), (1, "normal"), (1, "normal"),
        (2, "reduction"), (2, "normal"), (2, "normal"),
    ]  # fmt: skip
    inherit(larger, smaller)
    state, source = larger.state_dict(), smaller.state_dict()
    name = "preprocess.second.conv.weight"
    name = next(
        one.removeprefix("cells.3.") for one in state if one.startswith("cells.3.preprocess.second") and "weight" in one
    )
    for ours, theirs in ((3, 2), (6, 4), (2, 1), (1, 1), (7, 5)):
        assert torch.equal(state[f"cells.{ours}.{name}"], source[f"cells.{theirs}.{name}"]), (ours, theirs)


def test_what_has_no_counterpart_stays() -> None:
    larger, smaller = nn.Linear(3, 3), nn.Conv2d(1, 1, 1)
    before = larger.weight.clone()
    found = inherit(larger, smaller)
    assert torch.equal(larger.weight, before)
    assert found == Inherited(0, 1, 1)  # the bias overlaps in one place


def test_activations_are_what_the_layers_put_out_in_float32() -> None:
    def network() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(inplace=True), nn.Identity(), nn.Flatten(), nn.Linear(32, 5)
        )

    # convolution and flattening (2, 4, 4), linear layer 5; what is overwritten or passed on takes nothing
    assert activation_bytes(network, inputs=1, side=4) == 4 * (32 + 32 + 5)


def test_activations_grow_with_the_side() -> None:
    found = [activation_bytes(lambda: made(TWO, 0, cells=3, channels=4), inputs=1, side=side) for side in (8, 16)]
    assert 3 < found[1] / found[0] < 4.1
