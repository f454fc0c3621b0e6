"""The skeleton of DARTS for ImageNet and the published cells, against a plain network written from their definition."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.memory import measured_mb
from benchmarks.textbook import Textbook, copy
from nas_steps.config.batches import stride_of
from nas_steps.config.load import load
from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.models.blocks import whole
from nas_steps.models.build import build, size
from nas_steps.models.cells.networks import CellNetwork
from nas_steps.models.cells.supernet import Supernet
from nas_steps.models.latency import write_module
from nas_steps.scaling.compound import Design
from nas_steps.spaces.baselines import parse_baseline
from nas_steps.spaces.baselines import stride_of as stride_of_baseline
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.published import ARCHITECTURES, MACS, macs
from nas_steps.spaces.cells.space import CellSpace, parse_architecture
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import Shape, counted
from nas_steps.training.layer_decay import depth_of
from nas_steps.workflow.forecast.images import Images
from nas_steps.workflow.forecast.sizes import Sizes

Pairs = list[tuple[str, int]]
Cells = dict[str, tuple[Pairs, list[int]]]


def edges(text: str) -> Pairs:
    """Read pairs of operation and input."""
    found = (word.split("~") for word in text.split())
    return [(operation, int(source)) for operation, source in found]


#: (operation, input) pairs, two a node, and the states that the output concatenates; inputs are 0 and 1, nodes from 2
#: on (quark0/darts, cnn/genotypes.py)
PUBLISHED: dict[str, Cells] = {
    "darts_v2": {
        "normal": (
            edges(
                "sep_conv_3x3~0 sep_conv_3x3~1 sep_conv_3x3~0 sep_conv_3x3~1 "
                "sep_conv_3x3~1 skip_connect~0 skip_connect~0 dil_conv_3x3~2"
            ),
            [2, 3, 4, 5],
        ),
        "reduce": (
            edges(
                "max_pool_3x3~0 max_pool_3x3~1 skip_connect~2 max_pool_3x3~1 "
                "max_pool_3x3~0 skip_connect~2 skip_connect~2 max_pool_3x3~1"
            ),
            [2, 3, 4, 5],
        ),
    },
    "nasnet_a": {
        "normal": (
            edges(
                "sep_conv_5x5~1 sep_conv_3x3~0 sep_conv_5x5~0 sep_conv_3x3~0 "
                "avg_pool_3x3~1 skip_connect~0 avg_pool_3x3~0 avg_pool_3x3~0 "
                "sep_conv_3x3~1 skip_connect~1"
            ),
            [2, 3, 4, 5, 6],
        ),
        "reduce": (
            edges(
                "sep_conv_5x5~1 sep_conv_7x7~0 max_pool_3x3~1 sep_conv_7x7~0 "
                "avg_pool_3x3~1 sep_conv_5x5~0 skip_connect~3 avg_pool_3x3~2 "
                "sep_conv_3x3~2 max_pool_3x3~1"
            ),
            [4, 5, 6],
        ),
    },
    "amoebanet_a": {
        "normal": (
            edges(
                "avg_pool_3x3~0 max_pool_3x3~1 sep_conv_3x3~0 sep_conv_5x5~2 "
                "sep_conv_3x3~0 avg_pool_3x3~3 sep_conv_3x3~1 skip_connect~1 "
                "skip_connect~0 avg_pool_3x3~1"
            ),
            [4, 5, 6],
        ),
        "reduce": (
            edges(
                "avg_pool_3x3~0 sep_conv_3x3~1 max_pool_3x3~0 sep_conv_7x7~2 "
                "sep_conv_7x7~0 avg_pool_3x3~1 max_pool_3x3~0 max_pool_3x3~1 "
                "conv_7x1_1x7~0 sep_conv_3x3~5"
            ),
            [3, 4, 6],
        ),
    },
}
IMAGENET = Network(channels=48, cells=14, stem="imagenet")
SMALL = Network(channels=4, cells=3, stem="imagenet")


class Plain:
    """A network for ImageNet in the plainest words: functions of x, their weights in the order of their making."""

    def __init__(self, cells: Cells, channels: int, depth: int, inputs: int, classes: int) -> None:
        self.weights: list[Tensor] = []
        self.steps: list[Any] = []
        half = channels // 2
        self.stem = [self.conv(inputs, half, 2), self.conv(half, channels, 2), self.conv(channels, channels, 2)]
        older = newer = channels
        halved_before = True  # the second input of the first cell is half as large as the first
        for index in range(depth):
            reduces = index in (depth // 3, 2 * depth // 3)
            channels *= 2 if reduces else 1
            pairs, output = cells["reduce" if reduces else "normal"]
            first = self.halving(older, channels) if halved_before else self.dense(older, channels)
            second = self.dense(newer, channels)
            # the networks here hold a node's edges in the order of their sources, then of their names
            nodes = [
                sorted(pairs[2 * node : 2 * node + 2], key=lambda one: one[::-1]) for node in range(len(pairs) // 2)
            ]
            edges = [
                [(self.edge(name, channels, 2 if reduces and at < 2 else 1), at) for name, at in node] for node in nodes
            ]
            self.steps.append((first, second, edges, output))
            older, newer, halved_before = newer, channels * len(output), reduces
        self.linear = self.weight(classes, newer), self.weight(classes)

    def __call__(self, x: Tensor) -> Tensor:
        x = self.stem[1](F.relu(self.stem[0](x)))
        older, newer = x, self.stem[2](F.relu(x))
        for first, second, edges, output in self.steps:
            states = [first(older), second(newer)]
            for (one, here), (other, there) in edges:
                states.append(one(states[here]) + other(states[there]))
            older, newer = newer, torch.cat([states[place] for place in output], 1)
        return F.linear(newer.mean((2, 3)), *self.linear)

    def weight(self, *shape: int) -> Tensor:
        self.weights.append(torch.zeros(shape))
        return self.weights[-1]

    def norm(self, channels: int) -> Any:
        scale, shift = self.weight(channels), self.weight(channels)
        return lambda x: F.batch_norm(x, None, None, scale, shift, True)

    def conv(self, inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> Any:
        weight, norm = self.weight(outputs, inputs, kernel, kernel), self.norm(outputs)
        return lambda x: norm(F.conv2d(x, weight, stride=stride, padding=kernel // 2))

    def dense(self, inputs: int, outputs: int) -> Any:
        conv = self.conv(inputs, outputs, kernel=1)
        return lambda x: conv(F.relu(x))

    def halving(self, inputs: int, outputs: int) -> Any:
        one, other = (self.weight(outputs // 2, inputs, 1, 1) for _ in range(2))
        norm = self.norm(outputs)

        def halve(x: Tensor) -> Tensor:
            x = F.relu(x)
            return norm(torch.cat([F.conv2d(x, one, stride=2), F.conv2d(x[:, :, 1:, 1:], other, stride=2)], 1))

        return halve

    def depthwise(self, channels: int, kernel: int, stride: int, dilation: int = 1) -> Any:
        depth, point, norm = self.weight(channels, 1, kernel, kernel), self.weight(channels, channels, 1, 1), None
        norm = self.norm(channels)
        padding = dilation * (kernel // 2)

        def apply(x: Tensor) -> Tensor:
            x = F.conv2d(F.relu(x), depth, None, stride, padding, dilation, groups=channels)
            return norm(F.conv2d(x, point))

        return apply

    def edge(self, name: str, channels: int, stride: int) -> Any:
        if name == "skip_connect":
            return self.halving(channels, channels) if stride == 2 else lambda x: x
        if name == "max_pool_3x3":
            return lambda x: F.max_pool2d(x, 3, stride, 1)
        if name == "avg_pool_3x3":
            return lambda x: F.avg_pool2d(x, 3, stride, 1, count_include_pad=False)
        if name == "conv_7x1_1x7":
            across, down = self.weight(channels, channels, 1, 7), self.weight(channels, channels, 7, 1)
            norm = self.norm(channels)

            def factorised(x: Tensor) -> Tensor:
                x = F.conv2d(F.relu(x), across, stride=(1, stride), padding=(0, 3))
                return norm(F.conv2d(x, down, stride=(stride, 1), padding=(3, 0)))

            return factorised
        kernel = int(name[-1])
        if name.startswith("dil_conv"):
            return self.depthwise(channels, kernel, stride, 2)
        first, second = self.depthwise(channels, kernel, stride), self.depthwise(channels, kernel, 1)
        return lambda x: second(first(x))


def genotype(cells: Cells) -> str:
    parts = [f"{kind}={pairs}, {kind}_concat={output}" for kind, (pairs, output) in cells.items()]
    return f"Genotype({', '.join(parts)})"


@pytest.mark.parametrize(
    ("name", "parameters"), [("darts_v2", 4_718_752), ("nasnet_a", 5_564_320), ("amoebanet_a", 4_627_360)]
)
def test_published_cells_have_their_size_on_imagenet(name: str, parameters: int) -> None:
    # Liu et al. 2019, table 3: DARTS has 4.7 M
    plain = Plain(PUBLISHED[name], 48, 14, 3, 1000)
    assert sum(weight.numel() for weight in plain.weights) == parameters
    found = size(genotype(PUBLISHED[name]), IMAGENET, inputs=3, classes=1000, side=224)
    assert found.parameters == parameters
    assert size(name, Network(), inputs=3, classes=1000, side=224) == found
    assert ARCHITECTURES[name] == parse_architecture(genotype(PUBLISHED[name]))


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_network_for_imagenet_computes_what_the_plain_one_does(name: str) -> None:
    torch.manual_seed(0)
    plain = Plain(PUBLISHED[name], 6, 4, 2, 5)
    network = Network(channels=6, cells=4, stem="imagenet")
    ours = build(genotype(PUBLISHED[name]), network, inputs=2, classes=5, side=64).double()
    theirs = list(ours.parameters())
    assert [one.shape for one in theirs] == [one.shape for one in plain.weights]
    for one, other in zip(plain.weights, theirs, strict=True):
        one.data = other.data.normal_(std=0.3)
    x = torch.randn(2, 2, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(ours.train()(x), plain(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("side", "first", "second"), [(224, 56, 28), (33, 9, 5)])
def test_the_first_cell_reads_a_quarter_and_an_eighth_of_the_side(side: int, first: int, second: int) -> None:
    model = build(genotype(PUBLISHED["darts_v2"]), SMALL, inputs=3, classes=2, side=side)
    before, last = model.stem(torch.zeros(1, 3, side, side))
    assert (before.shape, last.shape) == ((1, 4, first, first), (1, 4, second, second))
    assert model(torch.randn(2, 3, side, side)).shape == (2, 2)
    # the stem is one group of the rates by depth, behind 3 cells and the classifier
    depths = {depth_of(key, model) for key, _ in model.named_parameters() if key.startswith("stem.")}
    assert depths == {4}


def test_the_auxiliary_head_for_imagenet_has_no_second_norm_and_its_own_pooling() -> None:
    model = build(genotype(PUBLISHED["darts_v2"]), IMAGENET, inputs=3, classes=1000, side=224, auxiliary=True)
    assert isinstance(model, CellNetwork)
    head = model.auxiliary
    assert head is not None
    channels = 4 * 4 * 48  # of the second reduction
    norm, bias = 2 * 128, 1000
    assert sum(one.numel() for one in head.parameters()) == (channels * 128 + norm + 128 * 768 * 4 + 768 * 1000 + bias)
    x = torch.randn(2, channels, 7, 7)
    pooled = F.avg_pool2d(torch.relu(x), 5, stride=2)
    assert pooled.shape[-1] == 2
    torch.testing.assert_close(head(x), head.classifier(head.features(pooled).flatten(1)))
    assert not torch.allclose(F.adaptive_avg_pool2d(torch.relu(x), 2), pooled, atol=1e-2)


@pytest.mark.parametrize("channels", [5, 8])
@pytest.mark.parametrize("name", ["darts", "small", "wide"])
def test_the_parts_of_a_space_add_up_to_its_network(name: str, channels: int) -> None:
    operations = ("skip_connect", "sep_conv_7x7", "conv_7x1_1x7", "avg_pool_3x3")
    space = CellSpace("wide", operations, 3) if name == "wide" else PRESETS[name]
    for network in (Network(channels=channels, cells=4, stem="imagenet"), Network(channels=channels, cells=4)):
        for seed, shape in enumerate((Shape(3, 64, 10), Shape(1, 37, 7))):
            architecture = space.sample(Random(seed))
            found = counted(blocks_of(space, network), shape).costs(architecture)
            expected = size(str(architecture), network, inputs=shape.inputs, classes=shape.classes, side=shape.side)
            assert (found.parameters, found.macs) == (expected.parameters, expected.macs)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is Linux's to tell")
def test_the_memory_of_the_new_stem_and_operations_is_foretold_from_above() -> None:
    space = CellSpace("wide", ("skip_connect", "conv_7x1_1x7", "sep_conv_7x7"), 2)
    network, shape = Network(channels=32, cells=3, stem="imagenet"), Shape(3, 256, 10)
    blocks = blocks_of(space, network)
    architecture = space.sample(Random(0))
    found = measured_mb(whole(blocks, architecture, shape), 4, shape.inputs, shape.side)
    assert found <= counted(blocks, shape, 4).costs(architecture).activations_mb < 2 * found


@pytest.mark.parametrize("name", ["amoebanet_a", "nasnet_a"])
def test_the_network_for_imagenet_is_exported(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build(genotype(PUBLISHED[name]), SMALL, inputs=3, classes=4, side=40).eval()
    x = torch.randn(1, 3, 40, 40)
    write_module(model, x, tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": x.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found, model(x).numpy(), rtol=1e-4, atol=1e-5)


def test_a_supernet_with_the_stem_for_imagenet_is_the_textbooks() -> None:
    torch.manual_seed(0)
    space = CellSpace("s", ("none", "skip_connect", "max_pool_3x3", "sep_conv_7x7", "conv_7x1_1x7"), 2)
    fast = Supernet(space, SMALL, inputs=2, classes=3)
    slow = Textbook(space, SMALL, inputs=2, classes=3)
    copy(fast, slow)
    fast, slow = fast.double(), slow.double()
    x = torch.randn(3, 2, 48, 48, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(fast(x), slow(x), rtol=1e-9, atol=1e-9)
    assert fast.stem(x)[0].shape == (3, 4, 12, 12)


def test_its_strides_are_known_to_the_checks() -> None:
    space = PRESETS["small"]
    assert stride_of(space, SMALL) == 32
    assert stride_of(space, SMALL.model_copy(update={"reductions": [1]})) == 16
    assert stride_of(space, Network()) == 4
    text = str(space.sample(Random(0)))
    strides = [Design(text, network, 224).stride for network in (SMALL, Network(), Network(cells=4, reductions=[1]))]
    assert strides == [32, 4, 2]
    recipe = {"batch_size": 1}
    network = {"channels": 8, "cells": 5, "stem": "imagenet"}
    raw = {"data": {"source": "cifar10"}, "retrain": {"recipe": recipe, "network": network}}
    with pytest.raises(UserError, match="brings images of 32 pixels down to one pixel"):
        load(raw)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"search": {"network": {"stem": "large"}}}, "search.network.stem: given 'large', allowed is 'cifar' or 'imag"),
        ({"search": {"network": {"stem": "imagenet", "channels": 1}}}, "half of channels, but channels is 1"),
        (
            {"space": {"preset": "nasbench201"}, "retrain": {"network": {"stem": "imagenet"}}},
            "retrain.network.stem is imagenet, but the skeleton of space nasbench201's one-input cells",
        ),
    ],
)
def test_a_stem_that_cannot_be_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        load(changes)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_published_cells_are_hand_designed_networks_by_their_names(name: str) -> None:
    small, large = (size(name, Network(), inputs=3, classes=n, side=side) for n, side in ((10, 32), (1000, 224)))
    assert (small.macs, large.macs) == MACS[name]
    text = str(ARCHITECTURES[name])
    assert small == size(text, Network(channels=36, cells=20), inputs=3, classes=10, side=32)
    assert large == size(text, IMAGENET, inputs=3, classes=1000, side=224)
    if name == "darts_v2":
        half = size(f"{name}_x0.5", Network(), inputs=3, classes=10, side=32)
        assert half == size(text, Network(channels=18, cells=20), inputs=3, classes=10, side=32)
    strides = [stride_of_baseline(parse_baseline(f"{name}{end}"), 32) for end in ("", "_r64")]
    assert strides == [4, 32]
    with pytest.raises(ValueError, match="has no depth factor"):
        parse_baseline(f"{name}_d2")
    for side in (16, 128):
        exact = size(name, Network(), inputs=3, classes=10, side=side).macs
        assert macs(parse_baseline(name), side) == pytest.approx(exact, rel=0.05)
    config = load({"retrain": {"baselines": [name, "resnet20"]}})
    images = Images(channels=1, side=8, classes=10, train=100, valid=20, test=20)
    assert Sizes(config, images).baseline(name) == pytest.approx(MACS[name][0] / 16)


def test_a_space_may_declare_the_operations_of_nasnet() -> None:
    raw = {"space": {"preset": "darts", "operations": ["none", "skip_connect", "sep_conv_7x7", "conv_7x1_1x7"]}}
    assert load(raw).space.operations == raw["space"]["operations"]


def test_batch_norms_of_the_stem_learn() -> None:
    model = build(genotype(PUBLISHED["darts_v2"]), SMALL, inputs=1, classes=2, side=32)
    model(torch.randn(2, 1, 32, 32)).sum().backward()
    stem = [one for one in model.stem.modules() if isinstance(one, nn.BatchNorm2d)]
    assert [norm.num_features for norm in stem] == [2, 4, 4]
    assert all(parameter.grad is not None for parameter in model.parameters())
