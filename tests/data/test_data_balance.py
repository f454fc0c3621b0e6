"""Classes of unequal size: balanced epochs and weights of the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nas_steps.config.section import Augment
from nas_steps.data.balance import balanced_order, class_weights
from nas_steps.data.batches import DeviceImages

#: not sorted; class 2 has no image
LABELS = torch.tensor([0, 3, 0, 1, 0, 0, 1, 0, 0, 0]).repeat(60)


def order(seed: int = 0) -> torch.Tensor:
    return balanced_order(LABELS, torch.Generator().manual_seed(seed))


def test_classes_are_equally_likely_and_so_are_their_images() -> None:
    drawn = torch.cat([order(seed) for seed in range(100)])
    shares = LABELS[drawn].bincount(minlength=4) / len(drawn)
    assert shares[2] == 0
    assert shares[[0, 1, 3]].tolist() == pytest.approx([1 / 3] * 3, abs=0.01)  # four deviations
    for label, images in ((0, 420), (1, 120), (3, 60)):
        counts = drawn[LABELS[drawn] == label].bincount(minlength=600)[label == LABELS]
        wanted = len(drawn) / 3 / images
        chi = ((counts - wanted) ** 2 / wanted).sum().item()
        assert abs(chi - images) < 4 * (2 * images) ** 0.5


def test_an_epoch_has_as_many_images_and_its_seed_decides() -> None:
    assert len(order()) == len(LABELS)
    assert torch.equal(order(), order())
    assert not torch.equal(order(), order(1))


def test_balanced_batches_go_on_in_the_middle() -> None:
    images = np.random.default_rng(0).integers(0, 256, (600, 3, 4, 4), np.uint8)
    data = DeviceImages(images, LABELS.numpy(), [0.0] * 3, [1.0] * 3, "cpu")
    keys: dict[str, Any] = {"augment": Augment(flip=True), "shuffle": True, "balanced": True, "seed": 5}
    whole, rest = list(data.batches(64, **keys)), list(data.batches(64, **keys, start=4))
    assert sum(len(labels) for _, labels in whole) == 600
    for (one, mine), (other, theirs) in zip(whole[4:], rest, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(mine, theirs)
    labels = torch.cat([some for _, some in whole])
    assert labels.bincount(minlength=4).tolist() == pytest.approx([200, 200, 0, 200], abs=50)
    with pytest.raises(ValueError, match="need a seed"):
        next(data.batches(64, shuffle=False, balanced=True))


def test_weights_are_the_inverse_frequency_with_mean_1() -> None:
    weights = class_weights(LABELS, 5)
    assert weights.tolist() == pytest.approx([10 / 21, 10 / 6, 0, 10 / 3, 0])
    assert weights[LABELS].mean().item() == pytest.approx(1)
