"""Scores of searches by another metric than accuracy."""

from __future__ import annotations

from random import Random

import pytest
import torch
from test_search_enas import SETTINGS, SPACES, images, network
from tiny_world import MIXED, NETWORK, RECIPE, prepared

from nas_steps.config.recipe import Recipe
from nas_steps.config.space import Network
from nas_steps.data.store import load_split
from nas_steps.metrics import value
from nas_steps.search.controller import Controller
from nas_steps.search.enas import EnasLearner, Policy, own_statistics
from nas_steps.training.loop import evaluate, judge, predict
from nas_steps.training.networks import load_images, train_network
from nas_steps.training.progress import Progress

METRICS = ["balanced_accuracy", "macro_f1"]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", SPACES)
def test_a_supernet_scores_by_the_metric(name: str, metric: str) -> None:
    net, data, random = network(SPACES[name]), images(25, 5), Random(0)
    net.metric = metric
    drawn = [SPACES[name].sample(random) for _ in range(3)]
    found = net.accuracies(drawn, lambda: data.batches(8, shuffle=False))
    net.eval()
    for one, score in zip(drawn, found, strict=True):
        with torch.no_grad():
            answers = [(net(batch, one).argmax(1), labels) for batch, labels in data.batches(8, shuffle=False)]
        predicted, labels = (torch.cat(parts).numpy() for parts in zip(*answers, strict=True))
        assert score == pytest.approx(value(metric, predicted, labels, 3), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_a_controller_is_rewarded_by_the_metric(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    space, valid = SPACES["cells"], images(25, 5)
    net = network(space)
    net.metric = metric
    policy = Policy(space, SETTINGS, 3)
    learner = EnasLearner(net, SETTINGS, policy, valid, 3)
    told = []
    monkeypatch.setattr(Controller, "learn", lambda _, drawn, rewards: told.append((drawn, rewards)))
    learner.learn_policy(7)
    ((drawn, rewards),) = told
    batch, labels = next(iter(valid.batches(SETTINGS.reward_images, shuffle=True, seed=7)))
    with own_statistics(net), torch.no_grad():
        expected = [value(metric, net(batch, one).argmax(1).numpy(), labels.numpy(), 3) for one in drawn]
    assert rewards == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_a_training_is_judged_by_the_metric_after_each_epoch(metric: str) -> None:
    data = load_images(prepared(), torch.device("cpu"), metric=metric)
    assert data.valid is not None
    recipe = Recipe(**RECIPE | {"epochs": 3})
    with Progress(3, "test") as progress:
        trained = train_network(MIXED, Network(**NETWORK), recipe, data, seed=0, progress=progress)
    predicted, labels = predict(trained.model, data.valid)[0].numpy(), load_split(prepared(), "valid").labels
    expected = value(metric, predicted, labels, 10)
    judged = judge(trained.model, data.valid, metric)
    assert trained.last("valid_metric") == judged.value == pytest.approx(expected, abs=1e-12)
    assert evaluate(trained.model, data.valid) == judged[:2]
    assert trained.last("valid_accuracy") == judged.accuracy == pytest.approx((predicted == labels).mean())
