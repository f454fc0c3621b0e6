"""Strided 1x1 convolutions of few channels: right numbers, where oneDNN would overwrite memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from mobile_world import CHOICES
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from nas_steps.config.space import Network
from nas_steps.models import convolutions
from nas_steps.models.build import build
from nas_steps.models.cells.supernet import Supernet
from nas_steps.models.convolutions import Conv2d, onednn_is_faulty, onednn_version
from nas_steps.models.mobile.supernet import MobileSupernet
from nas_steps.spaces.baselines import baseline_names
from nas_steps.spaces.cells.presets import PRESETS

BASELINES = baseline_names()
SCRIPT = Path(__file__).with_name("strided.py")
NARROW = Network(channels=2, cells=3, stem_multiplier=1)


@pytest.mark.parametrize("instructions", ["DEFAULT", "AVX2"])
def test_learning_neither_dies_nor_goes_wrong(instructions: str) -> None:
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": instructions, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


class Watch(TorchDispatchMode):
    """Notes the convolutions that oneDNN's fault concerns, by their channels that come in."""

    def __init__(self) -> None:
        super().__init__()
        self.dangerous: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.convolution.default:
            x, weight, _, stride, padding, *_, groups = args
            one = tuple(weight.shape[2:]) == (1, 1) and not any(padding) and groups == 1
            if one and max(stride) > 1 and 1 < x.shape[1] < 16:
                self.dangerous.append(x.shape[1])
        return func(*args, **(kwargs or {}))


def watched(forward: Callable[[], object]) -> list[int]:
    with Watch() as watch:
        forward()
    return watch.dangerous


IMAGES = torch.randn(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)
ALONE = [
    *(f"{base}_x0.25" for base in BASELINES),
    "stem_k1_s2_c8_relu/id_s2_c12/head_c8",
    *(str(space.sample(Random(seed))) for space in PRESETS.values() for seed in range(3)),
]


@pytest.mark.parametrize("architecture", ALONE, ids=[text[:40] for text in ALONE])
def test_no_network_learns_by_what_may_corrupt(architecture: str) -> None:
    network = build(architecture, NARROW, inputs=3, classes=4, side=32)
    assert watched(lambda: network(IMAGES)) == []


@pytest.mark.parametrize("name", PRESETS)
def test_no_supernet_of_cells_does(name: str) -> None:
    supernet = Supernet(PRESETS[name], NARROW, inputs=3, classes=4)
    assert watched(lambda: supernet(IMAGES)) == []


@pytest.mark.parametrize("entangled", [False, True])
def test_no_supernet_of_mobile_blocks_does(entangled: bool) -> None:
    supernet = MobileSupernet(CHOICES, inputs=3, classes=4, entangled=entangled)
    random = Random(0)
    for _ in range(20):
        architecture = CHOICES.sample(random)
        assert watched(lambda one=architecture: supernet(IMAGES, one)) == []


def test_the_watch_sees_what_it_watches_for() -> None:
    plain = nn.Conv2d(3, 4, 1, stride=2)
    assert watched(lambda: plain(IMAGES)) == [3]


def test_it_is_the_convolution_that_it_stands_for() -> None:
    mended, plain = Conv2d(4, 6, 1, stride=(2, 1)), nn.Conv2d(4, 6, 1, stride=(2, 1))
    plain.load_state_dict(mended.state_dict())
    for module in (mended, plain):
        module.double()
    x = torch.randn(2, 4, 7, 8, dtype=torch.float64, requires_grad=True)
    (of_x, of_weight, of_bias), wanted = (
        torch.autograd.grad(module(x).square().sum(), [x, module.weight, module.bias]) for module in (mended, plain)
    )
    assert torch.allclose(mended(x), plain(x))
    assert all(torch.allclose(one, other) for one, other in zip((of_x, of_weight, of_bias), wanted, strict=True))


def test_it_is_differentiable_twice() -> None:
    module = Conv2d(3, 2, 1, stride=2).double()
    x = torch.randn(1, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    # the loss is not linear in the output, so that the second derivative is not 0
    assert torch.autograd.gradgradcheck(lambda x, *_weights: module(x).square(), (x, module.weight, module.bias))


def pooled(module: nn.Module, x: Tensor) -> bool:
    """Whether pixels are dropped before the convolution."""
    calls: list[object] = []

    class Calls(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            calls.append(func)
            return func(*args, **(kwargs or {}))

    with Calls():
        module(x)
    return torch.ops.aten.avg_pool2d.default in calls


def test_pixels_are_dropped_where_weights_are_learnt_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolutions, "MENDED", None)
    x = torch.zeros(2, 4, 8, 8)
    faulty = torch.backends.mkldnn.is_available()
    assert pooled(Conv2d(4, 6, 1, stride=2), x) is faulty
    for other in (
        Conv2d(4, 6, 1),
        Conv2d(4, 6, 3, stride=2),
        Conv2d(4, 6, 1, stride=2, padding=1),
        Conv2d(4, 4, 1, stride=2, groups=4),
    ):
        assert not pooled(other, x)
    assert not pooled(Conv2d(16, 6, 1, stride=2), torch.zeros(2, 16, 8, 8))
    assert not pooled(Conv2d(4, 6, 1, stride=2, device="meta"), x.to("meta"))
    with torch.no_grad():
        assert not pooled(Conv2d(4, 6, 1, stride=2), x)


@pytest.mark.parametrize(
    ("mended", "config", "faulty"),
    [
        (None, "  - Intel(R) MKL-DNN v3.12.0 (Git Hash 80afa71)", True),
        ((3, 15, 0), "  - Intel(R) MKL-DNN v3.12.0 (Git Hash 80afa71)", True),
        ((3, 15, 0), "  - Intel(R) MKL-DNN v3.15.0 (Git Hash 80afa71)", False),
        ((3, 15, 0), "  - oneDNN v4.0.2", False),
        ((3, 15, 0), "  - a build that does not say", True),
    ],
)
def test_only_a_release_that_is_known_to_be_mended_is_trusted(
    mended: tuple[int, int, int] | None, config: str, faulty: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolutions, "MENDED", mended)
    monkeypatch.setattr(torch.__config__, "show", lambda: config)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert onednn_is_faulty() is faulty
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not onednn_is_faulty()


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch is built without oneDNN")
def test_this_torch_says_its_version() -> None:
    assert onednn_version(torch.__config__.show()) is not None


def test_what_is_exported_is_a_strided_convolution() -> None:
    network = build("resnet20_x0.25", NARROW, inputs=3, classes=4, side=16).eval()
    program = torch.export.export(network, (torch.zeros(2, 3, 16, 16),))
    calls = [str(node.target) for node in program.graph.nodes]
    assert not any("pool" in call for call in calls)
    strided = [node for node in program.graph.nodes if "conv2d" in str(node.target) and [2, 2] in node.args]
    assert len(strided) == 4
