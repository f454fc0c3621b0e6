"""The step of a supernet: which gradients it makes, and that an interrupted training ends the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_supernets import batch
from torch import Tensor

from nas_steps.config.space import Network, Space
from nas_steps.config.supernet import SupernetTraining
from nas_steps.provenance.ledger import Cost
from nas_steps.search.one_shot.networks import SharedNetwork, shared_network
from nas_steps.search.one_shot.sampling import sampling
from nas_steps.search.one_shot.training import OneShotLearner, train_supernet, training_images
from nas_steps.search.settings import SupernetSettings
from nas_steps.spaces.mobile.presets import PRESETS
from nas_steps.training.checkpoint import Checkpoints
from nas_steps.training.progress import Progress

SPACE = PRESETS["mobile_small"]


def step_of(name: str, *, entangled: bool = False, **changes: Any) -> OneShotLearner:
    torch.manual_seed(0)
    network = shared_network(SPACE, Network(), inputs=1, classes=3, entangled=entangled).double()
    settings = SupernetTraining(sampling=name, entangled=entangled, gradient_clip=None, **changes)  # type: ignore[arg-type]
    return OneShotLearner(network, settings, sampling(name, SPACE, seed=1), 10)


def gradients(network: SharedNetwork) -> dict[str, Tensor]:
    return {name: one.grad.clone() for name, one in network.named_parameters() if one.grad is not None}


def by_hand(network: SharedNetwork, losses: list[Tensor]) -> dict[str, Tensor]:
    network.zero_grad(set_to_none=True)
    torch.stack(losses).sum().backward()
    return gradients(network)


@pytest.mark.parametrize("name", ["uniform", "fair"])
def test_gradients_of_all_paths_are_summed(name: str) -> None:
    step = step_of(name)
    images, labels = batch(0, images=8, side=8)
    step.network.train()
    paths = step.sampling.paths(0)
    loss, hits = step.gradients(images, labels, paths)
    found = gradients(step.network)
    logits = [step.network(images, path) for path in paths]
    losses = [F.cross_entropy(one, labels) for one in logits]
    assert loss.item() == pytest.approx(8 * sum(one.item() for one in losses) / len(losses), rel=1e-6)
    assert hits.item() == pytest.approx(sum(float((one.argmax(1) == labels).sum()) for one in logits) / len(logits))
    expected = by_hand(step.network, losses)
    assert found.keys() == expected.keys()
    for key, value in found.items():
        torch.testing.assert_close(value, expected[key], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("entangled", [False, True])
def test_the_sandwich_learns_labels_by_the_largest_and_its_predictions_by_the_others(entangled: bool) -> None:
    step = step_of("sandwich", entangled=entangled)
    images, labels = batch(0, images=8, side=8)
    step.network.train()
    largest, *others = paths = step.sampling.paths(0)
    loss, _ = step.gradients(images, labels, paths)
    found = gradients(step.network)
    teacher = step.network(images, largest)
    losses = [F.cross_entropy(teacher, labels)]
    assert loss.item() == pytest.approx(8 * losses[0].item(), rel=1e-6)
    soft = teacher.softmax(1).detach()
    losses += [-(soft * step.network(images, path).log_softmax(1)).sum(1).mean() for path in others]
    expected = by_hand(step.network, losses)
    assert found.keys() == expected.keys()
    for key, value in found.items():
        torch.testing.assert_close(value, expected[key], rtol=1e-8, atol=1e-10)


def test_distillation_knows_its_images_where_batches_are_learnt_in_parts() -> None:
    whole, parts = step_of("sandwich"), step_of("sandwich")
    parts.micro_batches.count = 2
    images, labels = batch(0, images=8, side=8)
    found = []
    for step in (whole, parts):
        # batch norms of a half are others, so they are left out
        step.network.eval()
        step.gradients(images, labels, step.sampling.paths(0))
        found.append(gradients(step.network))
    for key, value in found[0].items():
        torch.testing.assert_close(value, found[1][key], rtol=1e-8, atol=1e-10)


def test_weights_that_no_path_uses_stay_as_they_are() -> None:
    step = step_of("uniform", weight_decay=0.1)
    images, labels = batch(0, images=8, side=8)
    for number in range(2):
        used = set(step.network.supernet.path(step.sampling.paths(number)[0]))
        before = {name: one.clone() for name, one in step.network.named_parameters()}
        step(images, labels, 0.5)
        for name, one in step.network.named_parameters():
            assert torch.equal(one, before[name]) != (name.split(".")[2] in used), name


def test_entangled_blocks_learn_together_and_apart_they_do_not() -> None:
    images, _ = batch(0, images=8, side=8)
    for entangled in (False, True):
        step = step_of("sandwich", entangled=entangled)
        step.network.train()
        path = step.sampling.paths(0)[1]
        step.network(images, path).sum().backward()
        smallest = set(gradients(step.network))
        step.network.zero_grad(set_to_none=True)
        step.network(images, step.sampling.paths(0)[0]).sum().backward()
        shared = smallest & set(gradients(step.network))
        assert any("depth" in name or ".block." in name for name in shared) == entangled


TRAINING = {"epochs": 2, "batch_size": 12, "warmup_epochs": 0.5, "augment": {"flip": True, "crop": 1}}


def train(data: str, name: str, checkpoints: Checkpoints | None = None, **more: Any) -> tuple[Any, list[Any]]:
    space = Space(preset="mobile_small") if not more.pop("cells", False) else Space(preset="nasbench201", nodes=2)
    step = SupernetSettings(
        seed=0,
        threads=1,
        space=space,
        network=Network(channels=2, cells=1),
        supernet=SupernetTraining.model_validate({"sampling": name, **TRAINING, **more}),
    )
    images = training_images(data, torch.device("cpu"), share=0.6)
    with Progress(2, "supernet") as progress:
        network, rows, _ = train_supernet(
            step,
            images,
            inputs=1,
            classes=10,
            seed=3,
            progress=progress,
            checkpoint=None if checkpoints is None else checkpoints.of("supernet"),
        )
    return network.state_dict(), [{key: row[key] for key in row if key != "seconds"} for row in rows]


class CutOffError(Exception):
    """The training is cut off here."""


@pytest.mark.parametrize(
    ("name", "more"),
    [("uniform", {"cells": True}), ("fair", {}), ("fair", {"cells": True}), ("sandwich", {"entangled": True})],
)
def test_an_interrupted_training_ends_with_the_same_bits(
    name: str, more: dict[str, Any], data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(data, name, **more)
    checkpoints = Checkpoints(tmp_path, {}, Cost("supernet", "seed-0"), 0.0)
    ordinary = OneShotLearner.__call__
    for after in (2, 3):  # batches of an epoch of 3
        calls = iter(range(after))

        def broken(self: OneShotLearner, *given: Any, calls: Iterator[int] = calls) -> Any:
            if next(calls, None) is None:
                raise CutOffError
            return ordinary(self, *given)

        monkeypatch.setattr(OneShotLearner, "__call__", broken)
        with pytest.raises(CutOffError):
            train(data, name, checkpoints, **more)
        monkeypatch.setattr(OneShotLearner, "__call__", ordinary)
    found = train(data, name, checkpoints, **more)
    assert found[1] == whole[1]
    assert found[0].keys() == whole[0].keys()
    for key, value in found[0].items():
        assert torch.equal(value, whole[0][key]), key
