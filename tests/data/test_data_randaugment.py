"""RandAugment of a batch is torchvision's of each image, whatever the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms import v2

from nas_steps.config.section import Augment
from nas_steps.data.batches import DeviceImages
from nas_steps.data.randaugment import CHOICES, OPERATIONS, STRONGEST, draw, rand_augment

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (23, 3, 12, 12), np.uint8))
USUAL = Augment(randaugment=2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("magnitude", [0, 9, 30])
def test_each_operation_is_torchvisions(magnitude: int, channels: int) -> None:
    theirs, images = v2.RandAugment(), IMAGES[:, :channels]
    for (name, (strengths, signed)), mine in zip(
        v2.RandAugment._AUGMENTATION_SPACE.items(), OPERATIONS.values(), strict=True
    ):
        values = strengths(31, 12, 12)
        for sign in (1, -1):
            strength = 0.0 if values is None else float(values[magnitude]) * (sign if signed else 1)
            wanted = theirs._apply_image_or_video_transform(images, name, strength, theirs.interpolation, theirs._fill)
            found = mine(images, sign * magnitude / 30)
            # a factor of 0.27 is not the same number in float32
            assert (found.int() - wanted.int()).abs().max() <= 1, name
            assert (found != wanted).float().mean() < 0.01, name


def test_a_batch_is_what_its_images_are_one_by_one() -> None:
    choices = draw(23, 3, torch.Generator().manual_seed(1))
    whole = rand_augment(IMAGES, choices, 12)
    for index in range(23):
        image = IMAGES[index : index + 1]
        for choice in choices[index].tolist():
            number, negative = divmod(choice, 2)
            image = list(OPERATIONS.values())[number](image, (-0.4, 0.4)[1 - negative])
        assert torch.equal(whole[index : index + 1], image)


def test_all_choices_are_drawn_alike() -> None:
    counts = torch.bincount(draw(14_000, 2, torch.Generator().manual_seed(0)).flatten(), minlength=CHOICES)
    assert len(counts) == CHOICES == 28
    assert counts.min() > 880
    assert counts.max() < 1120


def test_batches_are_augmented_anew_each_epoch_and_do_not_depend_on_their_size_or_where_they_begin() -> None:
    data = DeviceImages(IMAGES.numpy(), np.arange(23), [0.0] * 3, [1.0] * 3, "cpu")

    def gathered(batch_size: int, seed: int, start: int = 0) -> torch.Tensor:
        found = data.batches(batch_size, augment=USUAL, shuffle=True, seed=seed, start=start)
        return torch.cat([images for images, _ in found])

    whole = gathered(5, seed=0)
    torch.rand(3)  # the global generator takes no part
    assert torch.equal(whole, gathered(11, seed=0))
    assert torch.equal(whole[10:], gathered(5, seed=0, start=2))
    assert not torch.equal(whole, gathered(5, seed=1))
    order = torch.cat([labels for _, labels in data.batches(5, augment=USUAL, shuffle=True, seed=0)])
    changed = (whole != IMAGES[order] / 255).flatten(1).any(1)
    assert 15 < int(changed.sum()) <= 23
    with pytest.raises(ValueError, match="need a seed"):
        next(data.batches(5, augment=USUAL, shuffle=False))


def test_magnitude_alone_augments_nothing() -> None:
    data = DeviceImages(IMAGES.numpy(), np.arange(23), [0.0] * 3, [1.0] * 3, "cpu")
    (images, _), *_ = data.batches(23, augment=Augment(magnitude=20), shuffle=False)
    assert torch.allclose(images, IMAGES / 255, atol=1e-6)


@pytest.mark.parametrize("side", [12, 13, 40])
@pytest.mark.parametrize("magnitude", [0, 9, 30])
def test_images_that_are_moved_at_once_are_moved_as_one_by_one(side: int, magnitude: int) -> None:
    images = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (CHOICES, 3, side, side), np.uint8))
    found = rand_augment(images, torch.arange(CHOICES)[:, None], magnitude)
    for choice, (image, one) in enumerate(zip(images, found, strict=True)):
        number, negative = divmod(choice, 2)
        strength = magnitude / STRONGEST * (-1 if negative else 1)
        assert torch.equal(one, list(OPERATIONS.values())[number](image[None], strength)[0]), choice


def test_a_batch_takes_few_calls_and_waits_for_no_gpu() -> None:
    """On the device `meta` nothing can be read."""
    choices = torch.arange(CHOICES).repeat(4)[:, None]

    class Counts(TorchDispatchMode):
        calls = 0

        def __torch_dispatch__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.calls += 1
            return function(*args, **(kwargs or {}))

    with Counts() as counts:
        rand_augment(torch.zeros(len(choices), 3, 16, 16, dtype=torch.uint8), choices, 9)
    assert counts.calls < 250
    there = torch.zeros(len(choices), 3, 16, 16, dtype=torch.uint8, device="meta")
    assert rand_augment(there, choices, 9).shape == there.shape
