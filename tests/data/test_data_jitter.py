"""The jitter of a batch is torchvision's of each image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as F

from nas_steps.config.section import Augment, Jitter
from nas_steps.data.batches import DeviceImages
from nas_steps.data.jitter import draw_factors, jittered
from nas_steps.errors import UserError

ALL = Jitter(brightness=0.4, contrast=0.5, saturation=0.6, hue=0.5)
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (23, 3, 12, 12), np.uint8))
IMAGES[3] = 77  # grey, without a hue
IMAGES[4, 1] = IMAGES[4, 0]  # two largest channels
STEPS: dict[str, Any] = {
    "brightness": F.adjust_brightness,
    "contrast": F.adjust_contrast,
    "saturation": F.adjust_saturation,
    "hue": F.adjust_hue,
}


def drawn(jitter: Jitter, count: int = 23, seed: int = 0) -> torch.Tensor:
    return draw_factors(count, jitter, torch.Generator().manual_seed(seed))


def reference(images: torch.Tensor, factors: torch.Tensor, names: list[str]) -> torch.Tensor:
    changed = []
    for image, row in zip(images, factors.tolist(), strict=True):
        for name, factor in zip(STEPS, row, strict=True):
            image = STEPS[name](image, factor) if name in names else image
        changed.append(image)
    return torch.stack(changed)


@pytest.mark.parametrize("names", [["brightness"], ["contrast"], ["saturation"], ["hue"], list(STEPS)], ids=str)
def test_floats_are_torchvisions(names: list[str]) -> None:
    jitter = Jitter(**{name: getattr(ALL, name) for name in names})
    factors, images = drawn(jitter), IMAGES / 255
    found = jittered(images, factors, jitter)
    torch.testing.assert_close(found, reference(images, factors, names), rtol=0, atol=1e-5)
    assert not torch.equal(found, images)
    # whatever the batch and the order of channels in memory
    last = images.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(jittered(last[5:7], factors[5:7], jitter), found[5:7], rtol=0, atol=1e-6)


@pytest.mark.parametrize("names", [["brightness"], ["contrast"], ["saturation"], ["hue"]], ids=str)
def test_bytes_are_torchvisions_but_for_rounding(names: list[str]) -> None:
    jitter = Jitter(**{name: getattr(ALL, name) for name in names})
    factors = drawn(jitter)
    found = jittered(IMAGES, factors, jitter)
    assert found.dtype == torch.uint8
    # it cuts off what this rounds, and the grey value, too
    assert (found.int() - reference(IMAGES, factors, names).int()).abs().max() <= 2
    exact = jittered(IMAGES / 255, factors, jitter) * 255
    assert (found - exact).abs().max() <= 0.501


def test_factors_are_uniform_around_what_changes_nothing() -> None:
    factors = drawn(ALL, 4000)
    for column, (middle, reach) in enumerate([(1, 0.4), (1, 0.5), (1, 0.6), (0, 0.5)]):
        shares = (factors[:, column] - middle + reach) / (2 * reach)
        assert 0 <= shares.min() < 0.01
        assert 0.99 < shares.max() <= 1
        assert shares.mean().item() == pytest.approx(0.5, abs=0.02)
    alone = drawn(Jitter(contrast=0.5), 10)
    assert torch.equal(alone[:, [0, 2, 3]], torch.tensor([1.0, 1.0, 0.0]).expand(10, 3))


def test_grey_images_change_their_brightness_and_contrast() -> None:
    grey, jitter = IMAGES[:, :1], Jitter(brightness=0.4, contrast=0.5)
    factors = drawn(jitter)
    found = jittered(grey / 255, factors, jitter)
    torch.testing.assert_close(found, reference(grey / 255, factors, ["brightness", "contrast"]), rtol=0, atol=1e-5)


def test_other_colours_of_grey_images_are_refused_when_training_begins() -> None:
    data = DeviceImages(IMAGES[:, :1].numpy(), np.arange(23), [0.0], [1.0], "cpu")
    with pytest.raises(UserError, match=r"saturation 0.6 and hue 0.5, but the images are grey.*data.channels to 3"):
        next(data.batches(5, augment=Augment(jitter=ALL), shuffle=True, seed=0))
    next(data.batches(5, augment=Augment(jitter=Jitter(brightness=0.1)), shuffle=True, seed=0))


def test_batches_repeat_and_go_on_in_the_middle() -> None:
    data = DeviceImages(IMAGES.numpy(), np.arange(23), [0.0] * 3, [1.0] * 3, "cpu")

    def gathered(batch_size: int = 5, seed: int = 0, start: int = 0) -> torch.Tensor:
        found = data.batches(batch_size, augment=Augment(jitter=ALL), shuffle=True, seed=seed, start=start)
        return torch.cat([images for images, _ in found])

    whole = gathered()
    assert torch.equal(whole, gathered())
    assert torch.equal(whole[10:], gathered(start=2))
    assert not torch.equal(whole, gathered(seed=1))
    with pytest.raises(ValueError, match="need a seed"):
        next(data.batches(5, augment=Augment(jitter=ALL), shuffle=False))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_does_the_same() -> None:
    factors = drawn(ALL)
    there = jittered(IMAGES.cuda(), factors.cuda(), ALL).cpu()
    assert (there.int() - jittered(IMAGES, factors, ALL).int()).abs().max() <= 1
