"""A batch of one image in front of a batch norm: refused before any job, and only where torch refuses it, too."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import torch

from nas_steps.config.batches import baseline_stride, stride_of
from nas_steps.config.load import load
from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.models.build import build
from nas_steps.spaces.baselines import baseline_names, side_of
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.costs import divided
from nas_steps.spaces.mobile.presets import PRESETS as MOBILE

#: all but the largest, which take long
BASELINES = [name for name in baseline_names() if name not in {f"efficientnet_b{number}" for number in range(1, 8)}]
SIDES = (4, 5, 7, 8, 9, 16, 17, 32, 33)


def learns(network: torch.nn.Module, side: int) -> bool:
    """Whether the network can be trained on one image."""
    try:
        with torch.no_grad():
            network.train()(torch.randn(1, 3, side, side))
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        return False
    return True


@pytest.mark.parametrize("name", [*BASELINES, "resnet20_x0.25", "resnet18_d1.5", "resnet18_x0.5"])
@pytest.mark.parametrize("side", [*SIDES, 96])
def test_a_hand_designed_network_is_known_by_its_stride(name: str, side: int) -> None:
    if side == 96 and "resnet" not in name:
        pytest.skip("large, and of stride 32")
    network = build(name, Network(), inputs=3, classes=2, side=side)
    assert learns(network, side) == (divided(side, baseline_stride(name, side)) > 1)


@pytest.mark.parametrize("name", ["mobilenet_v2_r32", "mobilenet_v3_small_r32", "resnet18_r33", "resnet20_r4"])
def test_a_network_that_resizes_its_images_is_known_by_its_side(name: str) -> None:
    for side in (4, 64):
        network = build(name, Network(), inputs=3, classes=2, side=side)
        assert learns(network, side) == (divided(side_of(name, side), baseline_stride(name, side)) > 1)


@pytest.mark.parametrize(
    ("preset", "network"),
    [
        ("small", Network(channels=2, cells=3)),
        ("small", Network(channels=2, cells=5)),
        ("small", Network(channels=2, cells=4, reductions=[0, 1, 2])),
        ("small", Network(channels=2, cells=2, reductions=[0])),
        ("nasbench201", Network(channels=2, cells=1)),
    ],
)
@pytest.mark.parametrize("side", SIDES)
def test_cells_are_known_by_their_reductions(preset: str, network: Network, side: int) -> None:
    space = PRESETS[preset]
    wanted = divided(side, stride_of(space, network)) > 1
    drawn = [str(space.sample(Random(seed))) for seed in range(6)]
    found = [learns(build(text, network, inputs=3, classes=2, side=side), side) for text in drawn]
    # cells that only pool have no norm there
    assert all(found) if wanted else not all(found)


@pytest.mark.parametrize("side", [4, 8, 16, 32])
def test_mobile_networks_are_known_by_their_stride(side: int) -> None:
    space = MOBILE["mobile_small"]
    if side < space.stride:
        pytest.skip("nothing would be left")
    network = build(str(space.sample(Random(0))), Network(), inputs=3, classes=2, side=side)
    assert learns(network, side) == (divided(side, stride_of(space, Network())) > 1)


def test_an_auxiliary_head_ends_in_one_pixel() -> None:
    text = str(PRESETS["small"].sample(Random(0)))
    for side in (8, 32):
        assert not learns(build(text, Network(channels=2), inputs=3, classes=2, side=side, auxiliary=True), side)


SMALL = {"data": {"source": "cifar10", "resolution": 4}}
UNIFORM = {"sampling": "uniform"}
STRATEGIES = {"random": {"evaluations": 4}}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"search": {"estimator": {"batch_size": 1}}}, ["search.estimator.batch_size is 1", "4 pixels"]),
        ({"ranking": {"recipe": {"batch_size": 1}}}, ["ranking.recipe.batch_size is 1"]),
        ({"retrain": {"recipe": {"batch_size": 1}}}, ["retrain.recipe.batch_size is 1"]),
        (
            {"scaling": {"recipe": {"batch_size": 1}, "resolution": [1.0], "width": [1.2], "depth": [1.4]}},
            ["scaling.recipe.batch_size is 1"],
        ),
        ({"search": {"strategies": {"random": {}, "darts": {"batch_size": 1}}}}, ["strategies.darts.batch_size is 1"]),
        (
            {"search": {"strategies": {**STRATEGIES, "enas": {"reward_images": 1}}}},
            ["search.strategies.enas.reward_images is 1"],
        ),
        (
            {
                "search": {
                    "estimator": {"kind": "shared_weights", "calibration_images": 1, "supernet": UNIFORM},
                    "strategies": STRATEGIES,
                }
            },
            ["search.estimator.calibration_images is 1"],
        ),
        (
            {
                "search": {
                    "estimator": {"kind": "shared_weights", "supernet": {"batch_size": 1, "resolution": 4, **UNIFORM}},
                    "strategies": STRATEGIES,
                },
                "data": {"source": "cifar10"},
            },
            ["search.estimator.supernet.batch_size is 1"],
        ),
        (
            {
                "data": {"source": "digits"},
                "retrain": {"recipe": {"batch_size": 1}, "baselines": ["resnet20", "resnet18"]},
            },
            ["retrain.recipe.batch_size is 1, but resnet18 brings images of 8 pixels"],
        ),
        (
            {
                "data": {"source": "cifar10"},
                "retrain": {"recipe": {"batch_size": 1}, "baselines": ["resnet20", "mobilenet_v2_r32"]},
            },
            ["retrain.recipe.batch_size is 1, but mobilenet_v2_r32 brings images of 32 pixels"],
        ),
        (
            {
                "data": {"source": "cifar10"},
                "space": {"preset": "mobile_small", "resolution": [4, 32]},
                "search": {"strategies": {"random": {}, "evolution": {}}},
                "retrain": {"recipe": {"batch_size": 1}},
            },
            ["retrain.recipe.batch_size is 1", "brings images of 4 pixels down to one pixel"],
        ),
        (
            {"data": {"source": "cifar10"}, "retrain": {"recipe": {"batch_size": 1, "auxiliary_weight": 0.4}}},
            ["retrain.recipe.batch_size is 1", "auxiliary head"],
        ),
        (
            {"search": {"estimator": {"kind": "zero_cost", "batch_size": 9}}},
            ["search.estimator.batch_size is 9", "each of the 10 classes"],
        ),
        ({"search": {"screen": {"batch_size": 1}}}, ["search.screen.batch_size is 1", "10 classes"]),
    ],
)
def test_one_image_is_too_few_before_any_job(raw: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        load({**SMALL, **raw})
    assert len(str(error.value).splitlines()) == 2
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("source", ["digits", "cifar10"])
def test_one_image_is_enough_where_pixels_are_left(source: str) -> None:
    one = {"batch_size": 1}
    config = load(
        {
            "data": {"source": source},
            "search": {"estimator": one, "strategies": {"random": {}, "darts": one}},
            "ranking": {"recipe": one},
            "retrain": {"recipe": one},
            "scaling": {"recipe": one},
        }
    )
    assert config.retrain.recipe.batch_size == 1
