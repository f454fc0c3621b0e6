"""Hand-designed mobile networks in our spelling are those that torchvision builds, fitted to the same images."""

from __future__ import annotations

import pytest

from nas_steps.config.space import Network
from nas_steps.models.build import size
from nas_steps.spaces.baselines import fitted, scalable
from nas_steps.spaces.mobile.architectures import parse_mobile
from nas_steps.spaces.mobile.efficientnet import B0


@pytest.mark.parametrize("side", [8, 32, 64, 96])
@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_b0", "mobilenet_v2_x0.5", "efficientnet_b0_x1.1_d1.2"])
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


def test_a_resnet_stays_its_name() -> None:
    assert scalable("resnet20_x0.5", 32) == "resnet20_x0.5"
