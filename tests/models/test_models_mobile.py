"""Mobile networks: torchvision's EfficientNet and MobileNetV3 from strings, published sizes, shapes, refusals."""

from __future__ import annotations

from random import Random

import pytest
import torch
from published import efficientnet
from torch import nn
from torchvision import models
from torchvision.ops.stochastic_depth import StochasticDepth

from nas_steps.errors import UserError
from nas_steps.models.count import Size, count
from nas_steps.models.mobile.network import MobileNetwork, build_mobile
from nas_steps.spaces.mobile.architectures import MobileArchitecture
from nas_steps.spaces.mobile.efficientnet import B0, PUBLISHED
from nas_steps.spaces.mobile.presets import PRESETS
from nas_steps.spaces.mobile.space import parse_mobile

PARAMETERS = {
    "efficientnet_b0": 5_288_548,
    "efficientnet_b1": 7_794_184,
    "efficientnet_b2": 9_109_994,
    "efficientnet_b3": 12_233_232,
    "efficientnet_b4": 19_341_616,
    "efficientnet_b5": 30_389_784,
    "efficientnet_b6": 43_040_704,
    "efficientnet_b7": 66_347_960,
}
#: Howard et al. 2019, table 1
MOBILENET_V3 = (
    "stem_k3_s2_c16_hswish_eps0.001/mb_k3_e1_c16_relu/mb_k3_s2_e4_c24_relu+mb_k3_e3_c24_relu/"
    "mb_r3_k5_s2_e3_c40_hse0.25_relu/mb_k3_s2_e6_c80+mb_k3_e2.5_c80+mb_r2_k3_e2.3_c80/mb_r2_k3_e6_c112_hse0.25/"
    "mb_r3_k5_s2_e6_c160_hse0.25/head_c960_l1280_p0.2"
)


def size(architecture: MobileArchitecture, *, classes: int = 1000, side: int = 224) -> Size:
    return count(lambda: MobileNetwork(architecture, inputs=3, classes=classes), inputs=3, side=side)


@pytest.mark.parametrize("name", PUBLISHED)
def test_efficientnet_has_torchvisions_state_dict_and_the_published_size(name: str) -> None:
    with torch.device("meta"):
        theirs = getattr(models, name)().state_dict()
        network = MobileNetwork(efficientnet(name), inputs=3, classes=1000)
    ours = network.state_dict()
    assert [(key, value.shape) for key, value in ours.items()] == [(key, value.shape) for key, value in theirs.items()]
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize(
    ("name", "side", "giga"),
    [("efficientnet_b0", 224, 0.386), ("efficientnet_b1", 240, 0.687), ("efficientnet_b2", 288, 1.088)],
)
def test_efficientnet_has_the_published_macs(name: str, side: int, giga: float) -> None:
    assert size(efficientnet(name), side=side).macs / 1e9 == pytest.approx(giga, abs=5e-4)


@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnet_b2", "efficientnet_b5"])
def test_efficientnet_computes_what_torchvisions_does(name: str) -> None:
    torch.manual_seed(0)
    theirs = getattr(models, name)(num_classes=10).eval()
    ours = MobileNetwork(efficientnet(name), inputs=3, classes=10).eval()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        wanted = theirs(images)
        assert wanted.std() > 1e-6
        torch.testing.assert_close(ours(images), wanted, rtol=1e-5, atol=1e-5 * wanted.abs().max().item())


def test_weights_are_drawn_as_torchvision_draws_them() -> None:
    torch.manual_seed(1)
    theirs = models.efficientnet_b0(num_classes=10).state_dict()
    torch.manual_seed(1)
    ours = MobileNetwork(parse_mobile(B0), inputs=3, classes=10).state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_mobilenet_v3_is_torchvisions_but_for_the_names() -> None:
    torch.manual_seed(2)
    theirs = models.mobilenet_v3_large(num_classes=10).eval()
    ours = MobileNetwork(parse_mobile(MOBILENET_V3), inputs=3, classes=10).eval()
    mine, other = ours.state_dict(), theirs.state_dict()
    assert [value.shape for value in mine.values()] == [value.shape for value in other.values()]
    ours.load_state_dict(dict(zip(mine, other.values(), strict=True)))
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-5, atol=1e-6)
    assert size(parse_mobile(MOBILENET_V3)).parameters == 5_483_032


def test_nasbench_macro_has_the_published_shapes() -> None:
    text = "stem_k3_c32_relu/{0}_s2_c64+{0}/{0}_s2_c128+{0}_r2/{0}_s2_c256+{0}_r2/head_c1280"
    empty = PRESETS["nasbench_macro"].parse(text.format("id"))
    # stem, three projections, head, classifier, with two numbers a channel of batch norm
    weights = 3 * 32 * 9 + 32 * 64 + 64 * 128 + 128 * 256 + 256 * 1280 + 1280 * 10
    assert size(empty, classes=10, side=32).parameters == weights + 10 + 2 * (32 + 64 + 128 + 256 + 1280)
    network = MobileNetwork(empty, inputs=3, classes=10).eval()
    assert network.features(torch.zeros(1, 3, 32, 32)).shape == (1, 1280, 4, 4)


@pytest.mark.parametrize(
    "architecture",
    [
        *(space.sample(Random(0)) for space in PRESETS.values()),
        # dropout after an activation whose gradient needs what it put out
        parse_mobile("stem_k3_c8_relu/mb_k3_e2_c8/head_c8_l8_p0.5"),
    ],
    ids=[*PRESETS, "relu"],
)
def test_any_sample_is_built_and_trained(architecture: MobileArchitecture) -> None:
    side = max(8, architecture.stride)
    network = build_mobile(str(architecture), inputs=1, classes=3, side=side)
    logits = network(torch.randn(2, 1, side, side))
    assert logits.shape == (2, 3)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_every_activation_and_squeeze_is_built_as_spelled() -> None:
    text = "stem_k5_c8_relu6/mb_k3_e2_c12_silu_se0.5+mb_k3_e2_c12_hswish/mb_k3_s2_e1_c12_relu_hse0.5/head_c8_l6"
    network = build_mobile(text, inputs=3, classes=2, side=8)
    kinds = (nn.SiLU, nn.ReLU, nn.ReLU6, nn.Hardswish, nn.Hardsigmoid)
    found = [[type(one).__name__ for one in stage.modules() if isinstance(one, kinds)] for stage in network.features]
    assert found == [["ReLU6"], ["SiLU"] * 3 + ["Hardswish"] * 2, ["ReLU"] * 3 + ["Hardsigmoid"], ["ReLU6"]]
    squeezes = [module.fc1.out_channels for module in network.modules() if hasattr(module, "fc1")]
    assert squeezes == [4, 8]
    assert [type(module).__name__ for module in network.classifier] == ["Linear", "ReLU6", "Dropout", "Linear"]


def test_drop_path_grows_with_depth() -> None:
    network = MobileNetwork(parse_mobile(B0), inputs=3, classes=2)
    depths = [module.p for module in network.modules() if isinstance(module, StochasticDepth)]
    assert depths == [0.0] * 16
    network.drop_path = 0.2
    assert network.drop_path == 0.2
    theirs = [module.p for module in models.efficientnet_b0().modules() if isinstance(module, StochasticDepth)]
    assert [module.p for module in network.modules() if isinstance(module, StochasticDepth)] == pytest.approx(theirs)


def test_images_smaller_than_the_stride_are_refused_in_words() -> None:
    build_mobile(B0, inputs=3, classes=2, side=32)
    with pytest.raises(UserError) as error:
        build_mobile(B0, inputs=3, classes=2, side=31)
    for word in ("divide the side by 32", "the images have 31 pixels", "stride 1"):
        assert word in str(error.value)
