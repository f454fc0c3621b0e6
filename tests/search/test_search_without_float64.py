"""Everything that trains runs on a device that has no float64, such as MPS."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from stepping import settings_of
from tiny_world import MIXED, ROOT, prepared, tiny_config
from torch import nn
from without_float64 import There, without_float64

from nas_steps.config.recipe import Recipe
from nas_steps.config.space import Network
from nas_steps.config.strategies import GRADIENT_KINDS, Enas
from nas_steps.config.supernet import SupernetTraining
from nas_steps.data.batches import DeviceImages
from nas_steps.search.darts.loop import darts
from nas_steps.search.enas import enas
from nas_steps.search.one_shot.networks import shared_network
from nas_steps.search.one_shot.sampling import sampling
from nas_steps.search.one_shot.scoring import calibration_batches
from nas_steps.search.one_shot.training import OneShotLearner
from nas_steps.search.settings import DartsSettings
from nas_steps.spaces.cells.presets import PRESETS as CELLS
from nas_steps.spaces.mobile.presets import PRESETS as MOBILE
from nas_steps.training.loop import judge, predict
from nas_steps.training.networks import load_images, train_network
from nas_steps.training.progress import Progress

SPACES = {"cells": CELLS["small"], "mobile": MOBILE["mobile_small"]}
SKELETON = Network(channels=4, cells=3, stem_multiplier=1)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    with without_float64(monkeypatch) as found:
        yield found


def test_the_device_has_no_float64_and_mixes_with_no_other(device: torch.device) -> None:
    x = torch.ones(3, device=device)
    assert isinstance(x, There)
    assert (x + 1).sum().item() == 6
    for wrong in (x.double, lambda: torch.zeros(2, device=device, dtype=torch.float64), lambda: x.mul(x).double()):
        with pytest.raises(TypeError, match="float64"):
            wrong()
    with pytest.raises(AssertionError, match="two devices"):
        x + torch.ones(3)
    assert x.cpu().double().dtype == torch.float64
    assert (torch.from_numpy(np.ones(3)).to(x) + x).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    "recipe",
    [
        {"mixup": 0.4, "cutmix": 1.0, "ema": 0.9, "drop_path": 0.2, "auxiliary_weight": 0.3, "label_smoothing": 0.1},
        {"balance": "weights", "augment": {"resized_crop": {}, "jitter": {"brightness": 0.3}, "flip": True}},
        {"balance": "sampling", "augment": {"randaugment": 2, "cutout": 2, "crop": 1}},
    ],
    ids=["mixed", "weights", "sampling"],
)
@pytest.mark.parametrize("space", SPACES)
def test_a_network_is_trained(device: torch.device, space: str, recipe: dict[str, Any]) -> None:
    architecture = MIXED if space == "cells" else str(SPACES["mobile"].smallest())
    if space == "mobile":
        recipe = {**recipe, "auxiliary_weight": 0.0}
    images = load_images(prepared(), device, metric="macro_f1")
    assert images.valid is not None
    plain = Recipe(epochs=1, warmup_epochs=0, batch_size=20, **recipe)
    with Progress(1, "test") as progress:
        trained = train_network(architecture, SKELETON, plain, images, seed=3, progress=progress)
    assert trained.status == "ok"
    assert all(isinstance(one, There) for one in trained.model.parameters())
    assert 0 <= judge(trained.model, images.valid, "macro_f1").value <= 1
    assert len(predict(trained.model, images.valid)[0]) == len(images.valid)


# the made-up device cannot index as pc_darts does
@pytest.mark.parametrize("kind", sorted({*GRADIENT_KINDS} - {"pc_darts"}))
def test_a_differentiable_search_runs(device: torch.device, kind: str) -> None:
    more: dict[str, Any] = {"window": 1} if kind == "early_stop_eigenvalue" else {"eigenvalue": True}
    if kind in ("rsws", "setn"):
        more |= {"evaluations": 3}
    if kind == "darts":
        more |= {"selection": "perturbation", "selection_epochs": 0}
    keys = {"kind": kind, "epochs": 2, "batch_size": 30, "candidates": 2, **more}
    config = tiny_config(search__strategies__darts=keys)
    settings = settings_of(config, "darts darts", DartsSettings, ROOT.name)
    with Progress(2, "supernet") as progress:
        result = darts(settings, load_images(prepared(), device), seed=0, progress=progress)
    assert result.candidates, result.reason
    assert all(np.isfinite(row["eigenvalue"]) for row in result.history)


@pytest.mark.parametrize("space", SPACES)
def test_enas_runs(device: torch.device, space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # it would pass by the device `meta`
    monkeypatch.setattr(nn.utils, "skip_init", lambda kind, *given, **named: kind(*given, **named))
    settings = Enas(
        epochs=2, batch_size=16, controller_steps=3, controller_batch=2, reward_images=12, evaluations=4, candidates=2,
        calibration_images=24, hidden=8,
    )  # fmt: skip
    random = np.random.default_rng(0)

    def images(count: int) -> DeviceImages:
        pixels = random.integers(0, 255, (count, 1, 16, 16)).astype(np.uint8)
        return DeviceImages(pixels, np.arange(count) % 3, [0.5], [0.25], device, 16)

    network = shared_network(SPACES[space], SKELETON, inputs=1, classes=3, metric="macro_f1").to(device)
    with Progress(2, "supernet") as progress:
        found = enas(settings, network, SPACES[space], images(48), images(24), seed=3, progress=progress)
    assert len(found.candidates) == 2
    assert all(isinstance(one, There) for one in network.parameters())


@pytest.mark.parametrize(("space", "kind"), [("cells", "uniform"), ("mobile", "fair"), ("mobile", "sandwich")])
def test_a_shared_supernet_learns_and_scores(device: torch.device, space: str, kind: str) -> None:
    network = shared_network(SPACES[space], SKELETON, inputs=1, classes=3).to(device)
    settings = SupernetTraining(sampling=kind)  # type: ignore[arg-type]
    learner = OneShotLearner(network, settings, sampling(kind, SPACES[space], seed=1, between=1), 3)
    pixels = np.random.default_rng(0).integers(0, 255, (24, 1, 16, 16)).astype(np.uint8)
    images = DeviceImages(pixels, np.arange(24) % 3, [0.5], [0.25], device, 16)
    for batch in learner.batches(images, 0)(1, 0):
        learner(*batch, 0.0)
    drawn = [SPACES[space].sample(Random(0)) for _ in range(2)]
    calibration = calibration_batches(images, 12, 0)
    scores = network.accuracies(drawn, lambda: images.batches(8, shuffle=False), calibration=calibration)
    assert all(0 <= score <= 1 for score in scores)
