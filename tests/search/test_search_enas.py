"""ENAS: weights and controller learn in turns; what is learnt finds what is good; killed, it goes on the same."""

from __future__ import annotations

import copy
from random import Random

import numpy as np
import pytest
import torch
from torch import nn

from nas_steps.config.space import Network
from nas_steps.config.strategies import Enas
from nas_steps.data.batches import DeviceImages
from nas_steps.models.cells.folding import Normalising
from nas_steps.provenance.ledger import Cost
from nas_steps.search.enas import EnasLearner, Policy, distinct, enas, own_statistics
from nas_steps.search.one_shot.networks import SharedNetwork, shared_network
from nas_steps.spaces.cells.presets import PRESETS as CELLS
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.training.checkpoint import Checkpoints
from nas_steps.training.progress import Progress

MOBILE = MobileSpace.declare(
    "tiny",
    {
        "stem": {"width": 4, "stride": 1, "activation": "relu"},
        "stages": [{"width": 8, "stride": 2, "depth": [1, 2], "kernel": [3, 5], "expansion": [1, 2]}],
        "head": {"width": 8},
    },
)
SKELETON = Network(channels=4, cells=3, stem_multiplier=1)
SPACES = {"mobile": MOBILE, "cells": CELLS["small"], "nasbench201": CELLS["nasbench201"]}


def images(count: int, seed: int) -> DeviceImages:
    """Images of three classes that differ in brightness."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = random.integers(0, 60, (count, 1, 8, 8)) + 70 * labels[:, None, None, None]
    return DeviceImages(pixels.astype(np.uint8), labels, [0.5], [0.25], torch.device("cpu"), 8)


def network(space: object) -> SharedNetwork:
    torch.manual_seed(0)
    return shared_network(space, SKELETON, inputs=1, classes=3)


SETTINGS = Enas(
    epochs=2, batch_size=16, controller_steps=3, controller_batch=2, reward_images=12, evaluations=4, candidates=2,
    calibration_images=24, hidden=8,
)  # fmt: skip


def search(space: object, settings: Enas = SETTINGS, **more: object):
    with Progress(settings.epochs, "supernet") as progress:
        train, valid = images(48, 0), images(24, 1)
        return enas(settings, network(space), space, train, valid, seed=3, progress=progress, **more)


@pytest.mark.parametrize("name", SPACES)
def test_a_search_ends_in_the_best_of_what_it_drew(name: str) -> None:
    space = SPACES[name]
    found = search(space)
    assert [row["step"] for row in found.history] == [1, 2]
    assert all(np.isfinite(row["entropy"]) and 0 <= row["score"] <= row["best"] <= 1 for row in found.history)
    scores = [score for _, score in found.candidates]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)
    for text, _ in found.candidates:
        space.parse(text)
    assert ("parameter_free" in found.history[0]) == (name != "mobile")


def test_the_same_seed_is_the_same_search_and_another_is_not() -> None:
    assert search(MOBILE).candidates == search(MOBILE).candidates
    first, second = (Policy(MOBILE, SETTINGS, seed).draw(20, seed) for seed in (0, 1))
    assert first != second


@pytest.mark.parametrize("calls", [2, 4, 5])
def test_a_search_that_was_killed_goes_on_to_the_same(calls: int, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = search(MOBILE)
    checkpoint = Checkpoints(tmp_path, {}, Cost("search", "enas"), 0.0).of("enas")
    real, made = EnasLearner.__call__, 0

    def killed(self, *arguments):
        nonlocal made
        made += 1
        if made > calls:
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(EnasLearner, "__call__", killed)
    with pytest.raises(KeyboardInterrupt):
        search(MOBILE, checkpoint=checkpoint)
    monkeypatch.undo()
    again = search(MOBILE, checkpoint=checkpoint)
    assert again.candidates == whole.candidates
    for one, other in zip(again.history, whole.history, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


def test_the_weights_learn_along_what_the_policy_draws_and_the_policy_leaves_them_alone() -> None:
    net = network(MOBILE)
    policy = Policy(MOBILE, SETTINGS, 0)
    step = EnasLearner(net, SETTINGS, policy, images(24, 1), 3)
    before = copy.deepcopy(net.state_dict())
    controller = copy.deepcopy(policy.controller.state_dict())
    data, labels = next(iter(images(16, 0).batches(16, shuffle=False)))
    step(data, labels, 0.1)
    path = set(net.supernet.path(policy.paths(0)[0]))
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(any(f"modules_of.{one}." in name for one in path) for name in changed)
    assert all(torch.equal(policy.controller.state_dict()[name], value) for name, value in controller.items())
    before = copy.deepcopy(net.state_dict())
    step.learn_policy(0)
    learnt = [name for name, value in net.state_dict().items() if not torch.equal(value, before[name])]
    assert all(name.endswith("num_batches_tracked") for name in learnt)
    assert any(not torch.equal(policy.controller.state_dict()[name], value) for name, value in controller.items())


def test_a_controller_learns_to_draw_what_is_rewarded() -> None:
    space = CELLS["nasbench201"]
    policy = Policy(space, Enas(controller_learning_rate=0.02), 0)

    def reward(architecture: object) -> float:
        return str(architecture).count("nor_conv_3x3") / 6

    def mean(seed: int) -> float:
        return float(np.mean([reward(one) for one in policy.draw(64, seed)]))

    before, entropy = mean(1), policy.controller.entropy(policy.draw(16, 2))
    for turn in range(150):
        drawn = policy.draw(5, 100 + turn)
        policy.controller.learn(drawn, [reward(one) for one in drawn])
    assert entropy == pytest.approx(np.log(5))  # five operations, at first all alike
    assert mean(3) > before + 0.3
    assert policy.controller.entropy(policy.draw(16, 2)) < entropy


@pytest.mark.parametrize("name", SPACES)
def test_rewards_norm_by_the_images_at_hand_and_leave_the_statistics(name: str) -> None:
    net = network(SPACES[name]).train()
    architecture = SPACES[name].sample(Random(0))
    data = next(iter(images(16, 0).batches(16, shuffle=False)))[0]
    kept = copy.deepcopy({key: value for key, value in net.state_dict().items() if "running" in key})
    with torch.no_grad(), own_statistics(net):
        found = net(data, architecture)
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        wanted = net(data, architecture)
    assert torch.equal(found, wanted)
    # the momentum is back, so the second pass did change them
    assert net.training
    momenta = {module.momentum for module in net.modules() if isinstance(module, (nn.BatchNorm2d, Normalising))}
    assert momenta == {0.1}
    after = {key: value for key, value in net.state_dict().items() if "running" in key}
    assert any(not torch.equal(after[key], kept[key]) for key in kept)


def test_a_supernet_that_diverges_ends_without_candidates_and_with_a_reason() -> None:
    found = search(MOBILE, SETTINGS.model_copy(update={"learning_rate": 1e30, "gradient_clip": None}))
    assert found.candidates == []
    assert "epoch 1" in found.reason
    assert found.history[-1]["status"] == "diverged"


def test_candidates_are_different_networks_and_no_more_than_there_are() -> None:
    policy = Policy(MOBILE, SETTINGS, 0)
    assert len(distinct(policy, 5, 0)) == 5
    everything = distinct(policy, 40, 0)
    assert len(everything) == len({MOBILE.identity(one) for one in everything}) <= MOBILE.size() == 20
