"""The supernets of all spaces behind one face."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import pytest
import torch
from small_supernets import NETWORK, SPACE, batch
from torch import nn

from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.models.cells.folding import Normalising
from nas_steps.search.one_shot.networks import CellPaths, SharedNetwork, shared_network
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.mobile.presets import PRESETS as MOBILE

SPACES: dict[str, Any] = {
    "mobile": MOBILE["mobile_small"],
    "two inputs": SPACE,
    "one input": PRESETS["nasbench201"].replace(nodes=2),
}


def network(name: str) -> SharedNetwork:
    torch.manual_seed(0)
    skeleton = Network(channels=2, cells=1) if name == "one input" else NETWORK
    found = shared_network(SPACES[name], skeleton, inputs=1, classes=3).double()
    # statistics of some steps, so that the running ones fit no path
    random, found = Random(0), found.train()
    for seed in range(4):
        found(batch(seed, images=8, side=8)[0], SPACES[name].sample(random))
    return found


def state(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


@pytest.mark.parametrize("name", SPACES)
def test_one_architecture_alone_gets_gradients(name: str) -> None:
    net = network(name)
    architecture = SPACES[name].sample(Random(1))
    net(batch(0, side=8)[0], architecture).sum().backward()
    with_gradient = [weight for weight in net.weights() if weight.grad is not None]
    assert with_gradient
    if name == "mobile":
        assert len(with_gradient) < len(net.weights()) / 2
    learnt = {id(weight) for weight in net.weights()}
    assert all(weight.grad is None for weight in net.parameters() if id(weight) not in learnt)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("calibrated", [False, True])
def test_scoring_many_is_scoring_each_by_itself(name: str, calibrated: bool) -> None:
    net = network(name)
    random = Random(2)
    architectures = [SPACES[name].sample(random) for _ in range(6)]
    data = [batch(seed, images=7, side=8) for seed in range(20, 23)]
    calibration = [batch(seed, images=6, side=8)[0] for seed in range(30, 33)] if calibrated else []
    before = state(net)
    found = net.accuracies(architectures, lambda: data, calibration=calibration)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    expected = []
    for architecture in architectures:
        # by hand: a copy whose norms all forget, and average what they see
        alone = copy.deepcopy(net)
        for number, images in enumerate(calibration, start=1):
            for module in alone.modules():
                if isinstance(module, (nn.BatchNorm2d, Normalising)):
                    module.momentum = 1 / number
            alone.train()
            for module in alone.modules():
                if isinstance(module, nn.Dropout):
                    module.eval()
            alone(images, architecture)
        alone.eval()
        hits = sum(int((alone(images, architecture).argmax(1) == labels).sum()) for images, labels in data)
        expected.append(hits / 21)
    assert found == expected


def test_cells_are_not_entangled_and_strangers_are_refused() -> None:
    with pytest.raises(ValueError, match="no blocks to entangle"):
        shared_network(SPACE, NETWORK, inputs=1, classes=3, entangled=True)
    net = network("two inputs")
    assert isinstance(net, CellPaths)
    with pytest.raises(UserError):
        net(batch(0)[0], SPACES["one input"].sample(Random(0)))
