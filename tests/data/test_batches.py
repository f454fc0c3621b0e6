from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import nas_steps.data.batches as module
from nas_steps.config.section import Augment, Jitter, ResizedCrop
from nas_steps.data.batches import DeviceImages, Numbers, batch_bounds, cut_out, fits, shift_and_flip
from nas_steps.data.store import load_split, read_meta

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (23, 3, 8, 8), np.uint8)
LABELS = np.arange(23)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
ALL = Augment(flip=True, crop=2, cutout=4)


def make(count: int = 23, side: int | None = None, device: str = "cpu") -> DeviceImages:
    return DeviceImages(IMAGES[:count], LABELS[:count], MEAN, STD, device, side)


def gathered(data: DeviceImages, batch_size: int = 5, **keys: Any) -> tuple[torch.Tensor, torch.Tensor]:
    batches = list(data.batches(batch_size, **keys))
    return torch.cat([images for images, _ in batches]).cpu(), torch.cat([labels for _, labels in batches]).cpu()


def normalised(images: np.ndarray) -> torch.Tensor:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (torch.from_numpy(np.array(images)).float() / 255 - mean) / std


def test_without_augmentation_images_are_normalised_and_in_order() -> None:
    images, labels = gathered(make(), shuffle=False)
    assert torch.allclose(images, normalised(IMAGES), atol=1e-5)
    assert labels.tolist() == LABELS.tolist()
    for batch, targets in make().batches(5, shuffle=False):
        assert batch.dtype == torch.float32
        assert targets.dtype == torch.int64
        assert batch.is_contiguous(memory_format=torch.channels_last)


def test_the_normalised_training_images_have_mean_0_and_std_1(
    run_prepare: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    run_prepare("digits", channels=3)
    meta, train = read_meta(tmp_path / "out"), load_split(tmp_path / "out", "train")
    images, _ = gathered(DeviceImages(train.images, train.labels, meta.mean, meta.std, "cpu"), 100, shuffle=False)
    assert images.mean((0, 2, 3)).abs().max() < 1e-4
    assert (images.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-4


def test_shuffling_is_a_permutation_that_depends_on_the_seed() -> None:
    images, labels = gathered(make(), shuffle=True, seed=1)
    assert sorted(labels.tolist()) == LABELS.tolist()
    assert labels.tolist() != LABELS.tolist()
    assert torch.allclose(images, normalised(IMAGES[labels.numpy()]), atol=1e-5)
    assert gathered(make(), shuffle=True, seed=1)[1].tolist() == labels.tolist()
    assert gathered(make(), shuffle=True, seed=2)[1].tolist() != labels.tolist()


def test_all_of_it_is_deterministic_and_independent_of_the_global_state() -> None:
    torch.manual_seed(1)
    first = gathered(make(), shuffle=True, seed=3, augment=ALL)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again = gathered(make(), shuffle=True, seed=3, augment=ALL)
    assert torch.equal(first[0], again[0])
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(gathered(make(), shuffle=True, seed=4, augment=ALL)[0], first[0])
    # an image meets the same augmentation whatever the size of its batch
    assert torch.equal(gathered(make(), 11, shuffle=True, seed=3, augment=ALL)[0], first[0])


def test_randomness_without_a_seed_is_refused() -> None:
    for keys in ({"shuffle": True}, {"shuffle": False, "augment": Augment(flip=True)}):
        with pytest.raises(ValueError, match="need a seed"):
            next(make().batches(5, **keys))
    assert len(list(make().batches(5, shuffle=False, augment=Augment()))) == 5


def test_images_that_do_not_fit_give_the_same_batches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    resident = make()
    monkeypatch.setattr(module, "CPU_LIMIT", IMAGES.nbytes - 1)
    absent = DeviceImages(mapped, LABELS, MEAN, STD, "cpu")
    assert resident._resident is not None
    assert absent._resident is None
    for keys in ({"shuffle": False}, {"shuffle": True, "seed": 1, "augment": ALL}):
        for one, other in zip(resident.batches(5, **keys), absent.batches(5, **keys), strict=True):
            assert torch.equal(one[0], other[0])
            assert torch.equal(one[1], other[1])


def test_what_fits() -> None:
    cpu = torch.device("cpu")
    assert fits(2 * 2**30, cpu)
    assert not fits(2 * 2**30 + 1, cpu)


def test_a_quarter_of_the_free_gpu_memory_may_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (4000, 8000))
    assert fits(1000, torch.device("cuda"))
    assert not fits(1001, torch.device("cuda"))


@pytest.mark.parametrize(
    ("count", "keys", "sizes"),
    [
        (10, {"shuffle": True}, [4, 4, 2]),
        (9, {"shuffle": True}, [4, 5]),
        (9, {"shuffle": False}, [4, 4, 1]),
        (8, {"shuffle": True}, [4, 4]),
        (5, {"shuffle": True}, [5]),
        (3, {"shuffle": True}, [3]),
        (1, {"shuffle": True}, [1]),
    ],
)
def test_the_last_batch(count: int, keys: dict[str, bool], sizes: list[int]) -> None:
    data = make(count)
    assert [len(labels) for _, labels in data.batches(4, **keys, seed=0)] == sizes
    assert data.steps(4, **keys) == len(sizes)


def test_batches_of_one_stay_so() -> None:
    assert batch_bounds(3, 1, shuffle=True) == [(0, 1), (1, 2), (2, 3)]
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        batch_bounds(3, 0, shuffle=True)


def reference(image: np.ndarray, padding: int, offset: tuple[int, int], flip: bool) -> np.ndarray:
    """One image the slow way."""
    padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
    (top, left), side = offset, image.shape[1]
    crop = padded[:, top : top + side, left : left + side]
    return crop[:, :, ::-1] if flip else crop


@pytest.mark.parametrize("channels", [1, 3])
def test_crop_and_flip_against_one_image_after_the_other(channels: int) -> None:
    images = torch.from_numpy(IMAGES[:, :channels])
    numbers = Numbers.draw(23, 8, Augment(flip=True, crop=3), torch.Generator().manual_seed(0))
    assert numbers.flip is not None
    assert numbers.offset is not None
    assert 0 < numbers.flip.sum() < 23
    assert (numbers.offset.min(), numbers.offset.max()) == (0, 6)
    found = shift_and_flip(images, 3, numbers).numpy()
    for index in range(23):
        top, left = numbers.offset[index].tolist()
        assert np.array_equal(found[index], reference(images[index].numpy(), 3, (top, left), bool(numbers.flip[index])))
    only_flip = shift_and_flip(images, 0, Numbers(numbers.flip, None, None)).numpy()
    for index in range(23):
        mirrored = images[index].numpy()[:, :, ::-1] if numbers.flip[index] else images[index].numpy()
        assert np.array_equal(only_flip[index], mirrored)


def test_the_border_of_a_crop_is_black_before_normalisation() -> None:
    data = DeviceImages(np.full((50, 3, 8, 8), 255, np.uint8), np.zeros(50, int), MEAN, STD, "cpu")
    images, _ = gathered(data, shuffle=False, seed=0, augment=Augment(crop=4))
    for channel in range(3):
        values = images[:, channel].unique()
        black, white = -MEAN[channel] / STD[channel], (1 - MEAN[channel]) / STD[channel]
        assert torch.allclose(values, torch.tensor([black, white]), atol=1e-5)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_cutout_is_one_clipped_square_set_to_the_mean(size: int) -> None:
    centres = torch.tensor([[row, column] for row in range(8) for column in range(8)])
    erased = cut_out(torch.ones(64, 2, 8, 8), size, centres) == 0
    assert torch.equal(erased[:, 0], erased[:, 1])
    for (row, column), mask in zip(centres.tolist(), erased[:, 0], strict=True):
        wanted = torch.zeros(8, 8, dtype=torch.bool)
        top, left = row - size // 2, column - size // 2
        wanted[max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = True
        assert torch.equal(mask, wanted)
    inside = erased[:, 0].sum((1, 2)).view(8, 8)[2:6, 2:6]
    assert torch.all(inside == size**2)


def test_cutout_of_a_batch() -> None:
    images, _ = gathered(make(), shuffle=False, seed=0, augment=Augment(cutout=4))
    changed = (images != normalised(IMAGES)) & ((images - normalised(IMAGES)).abs() > 1e-4)
    assert torch.all(images[changed] == 0)
    area = (images == 0).all(1).sum((1, 2))
    assert area.max() == 16
    assert area.min() >= 4
    assert len({tuple(mask.flatten().tolist()) for mask in (images == 0).all(1)}) > 5  # not one place for all


def test_half_of_the_images_are_flipped_anew_in_each_epoch() -> None:
    images = np.zeros((400, 1, 4, 4), np.uint8)
    images[..., 0] = 255
    data = DeviceImages(images, np.zeros(400, int), [0.0], [1.0], "cpu")
    epochs = [gathered(data, 100, shuffle=False, seed=seed, augment=Augment(flip=True))[0] for seed in (0, 1)]
    flipped = [(epoch[:, 0, 0, 3] == 1) for epoch in epochs]
    assert all(abs(int(mask.sum()) - 200) < 50 for mask in flipped)
    assert not torch.equal(flipped[0], flipped[1])


@pytest.mark.parametrize("side", [4, 12])
def test_another_side(side: int) -> None:
    images, _ = gathered(make(side=side), shuffle=False)
    assert images.shape == (23, 3, side, side)
    wanted = F.interpolate(normalised(IMAGES), size=(side, side), mode="bilinear", antialias=True)
    assert torch.allclose(images, wanted, atol=1e-5)
    constant = DeviceImages(np.full((2, 3, 8, 8), 77, np.uint8), np.zeros(2, int), MEAN, STD, "cpu", side)
    assert torch.allclose(gathered(constant, shuffle=False)[0][:, 0], torch.tensor((77 / 255 - 0.4) / 0.2), atol=1e-5)


def test_arrays_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        DeviceImages(IMAGES.astype(np.float32), LABELS, MEAN, STD, "cpu")
    with pytest.raises(ValueError, match=r"\(23, 3, 8, 7\)"):
        DeviceImages(IMAGES[..., :7], LABELS, MEAN, STD, "cpu")
    with pytest.raises(ValueError, match="23 images, but labels"):
        DeviceImages(IMAGES, LABELS[:5], MEAN, STD, "cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_makes_the_same_batches() -> None:
    for side in (None, 6):
        for here, there in zip(
            make(side=side).batches(5, shuffle=True, seed=1, augment=ALL),
            make(side=side, device="cuda").batches(5, shuffle=True, seed=1, augment=ALL),
            strict=True,
        ):
            assert there[0].is_cuda
            assert there[0].is_contiguous(memory_format=torch.channels_last)
            assert torch.allclose(here[0], there[0].cpu(), atol=1e-5)
            assert torch.equal(here[1], there[1].cpu())


def test_making_a_batch_waits_for_no_gpu() -> None:
    """On the device `meta` nothing can be read."""
    images = np.zeros((9, 3, 16, 16), np.uint8)
    data = DeviceImages(images, np.arange(9), [0.5] * 3, [0.5] * 3, "meta", side=12)
    colours = Jitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1)
    augment = Augment(flip=True, resized_crop=ResizedCrop(), jitter=colours, randaugment=2, cutout=4)
    for one in (augment, Augment(flip=True, crop=2)):
        made = list(data.batches(4, augment=one, shuffle=True, seed=1))
        assert [batch.shape for batch, _ in made] == [(4, 3, 12, 12), (5, 3, 12, 12)]
        assert {batch.device.type for batch, _ in made} == {"meta"}
