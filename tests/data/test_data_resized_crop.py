"""Random resized crops are torchvision's: the boxes' distribution, and the pixels of each."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from nas_steps.config.section import Augment, ResizedCrop
from nas_steps.data.batches import DeviceImages
from nas_steps.data.resized_crop import draw_boxes, resampled, resized_crop

USUAL = ResizedCrop()
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (23, 3, 32, 32), np.uint8))


def boxes(count: int, side: int, crop: ResizedCrop = USUAL, seed: int = 0) -> torch.Tensor:
    return draw_boxes(count, side, crop, torch.Generator().manual_seed(seed))


def test_boxes_are_inside_and_keep_area_and_ratio() -> None:
    top, left, height, width = boxes(5000, 100).unbind(1)
    assert torch.stack([top, left]).min() == 0
    assert (top + height).max() == (left + width).max() == 100
    area, ratio = height * width / 1e4, width / height
    assert (area.min(), area.max()) == (pytest.approx(0.35, abs=0.02), 1)
    assert (ratio.min(), ratio.max()) == (pytest.approx(0.75, abs=0.02), pytest.approx(4 / 3, abs=0.04))


@pytest.mark.parametrize(
    "crop", [USUAL, ResizedCrop(scale=[0.08, 1.0]), ResizedCrop(scale=[0.9, 1.0], ratio=[0.5, 2.0])]
)
def test_boxes_are_distributed_as_torchvisions(crop: ResizedCrop) -> None:
    theirs = v2.RandomResizedCrop(64, tuple(crop.scale), tuple(crop.ratio))
    torch.manual_seed(0)
    image = torch.empty(3, 64, 64)
    drawn = (theirs.make_params([image]) for _ in range(3000))
    wanted = torch.tensor([[one[key] for key in ("top", "left", "height", "width")] for one in drawn]).float()
    mine = boxes(3000, 64, crop).float()
    for column in range(4):
        one, other = mine[:, column].sort().values, wanted[:, column].sort().values
        grid = torch.arange(66.0)
        apart = (torch.searchsorted(one, grid) - torch.searchsorted(other, grid)).abs().max() / 3000
        # Kolmogorov and Smirnov's bound at the level of 0.1 %
        assert apart < 1.95 * math.sqrt(2 / 3000), column


@pytest.mark.parametrize(("ratio", "size"), [([3.0, 4.0], (21, 64)), ([0.1, 0.25], (64, 16))])
def test_if_nothing_fits_the_centre_is_taken(ratio: list[float], size: tuple[int, int]) -> None:
    crop = ResizedCrop(scale=[1.0, 1.0], ratio=ratio)
    height, width = size
    wanted = [(64 - height) // 2, (64 - width) // 2, height, width]
    assert boxes(3, 64, crop).tolist() == [wanted] * 3
    assert list(v2.RandomResizedCrop(64, (1, 1), tuple(ratio)).make_params([IMAGES.new_empty(3, 64, 64)]).values()) == [
        wanted[place] for place in range(4)
    ]


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_torchvisions(channels: int) -> None:
    images = IMAGES[:, :channels]
    found = boxes(23, 32, ResizedCrop(scale=[0.05, 1.0]))
    # and boxes that shrink one side only, or nothing
    found[:2] = torch.tensor([[0, 0, 32, 32], [3, 5, 29, 1]])
    wanted = torch.cat(
        [F.resized_crop(images[i : i + 1], *box, [32, 32], antialias=True) for i, box in enumerate(found.tolist())]
    )
    assert torch.equal(resized_crop(images, found), wanted)
    assert torch.equal(resized_crop(images, found)[0], images[0])
    # other devices resample all at once
    assert (resampled(images, found).int() - wanted.int()).abs().max() <= 1


def test_no_pixel_outside_of_the_box_counts() -> None:
    images = torch.full((1, 1, 16, 16), 255, dtype=torch.uint8)
    images[:, :, 4:12, 2:13] = 7
    box = torch.tensor([[4, 2, 8, 11]])
    for crop in (resized_crop, resampled):
        assert torch.equal(crop(images, box), torch.full_like(images, 7))


def test_batches_repeat_and_go_on_in_the_middle() -> None:
    data = DeviceImages(IMAGES.numpy(), np.arange(23), [0.0] * 3, [1.0] * 3, "cpu")
    augment = Augment.model_validate({"flip": True, "resized_crop": {}, "randaugment": 1, "cutout": 4})

    def gathered(batch_size: int = 5, seed: int = 0, start: int = 0) -> torch.Tensor:
        found = data.batches(batch_size, augment=augment, shuffle=True, seed=seed, start=start)
        return torch.cat([images for images, _ in found])

    whole = gathered()
    torch.rand(3)  # the global generator takes no part
    assert torch.equal(whole, gathered(11))
    assert torch.equal(whole[10:], gathered(start=2))
    assert not torch.equal(whole, gathered(seed=1))
    with pytest.raises(ValueError, match="need a seed"):
        next(data.batches(5, augment=Augment(resized_crop=USUAL), shuffle=False))


def test_the_crop_comes_after_the_flip_and_before_normalisation() -> None:
    data = DeviceImages(IMAGES.numpy(), np.arange(23), [0.5] * 3, [0.25] * 3, "cpu", 16)
    augment = Augment(resized_crop=USUAL)
    images, _ = next(data.batches(23, augment=augment, shuffle=False, seed=4))
    wanted = resized_crop(IMAGES, boxes(23, 32, seed=4)).float()
    wanted = torch.nn.functional.interpolate(wanted, (16, 16), mode="bilinear", antialias=True)
    torch.testing.assert_close(images, (wanted / 255 - 0.5) / 0.25, rtol=0, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_crops_one_level_apart_at_most() -> None:
    found = boxes(23, 32)
    there = resized_crop(IMAGES.cuda(), found).cpu()
    assert (there.int() - resized_crop(IMAGES, found).int()).abs().max() <= 1
