"""Batches made on the training device. A CPU generator draws an epoch's random numbers, the same on all devices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from nas_steps.config.section import Augment
from nas_steps.data.balance import balanced_order
from nas_steps.data.jitter import check_channels, draw_factors, jittered
from nas_steps.data.randaugment import draw, rand_augment
from nas_steps.data.resized_crop import draw_boxes, resized_crop
from nas_steps.data.rows import Images, rows_of
from nas_steps.data.streaming import raw_batches

#: images larger than this stay in their file when training on a CPU (or MPS, whose memory is the machine's)
CPU_LIMIT = 2 * 2**30
#: the share of a GPU's free memory that images may take
GPU_SHARE = 0.25


class DeviceImages:
    """Images uint8 (N, C, S, S) and labels int64 (N,) for training or evaluation on `device`.

    `mean` and `std` are per channel, of values scaled to 0 to 1. Images that fit (CPU_LIMIT, GPU_SHARE) are moved to
    the device once. Others are read batch by batch, ahead of their use; the batches are the same. Batches are resized
    to `side`, after augmentation.
    """

    def __init__(
        self,
        images: Images,
        labels: np.ndarray,
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device | str,
        side: int | None = None,
    ) -> None:
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[2] != images.shape[3]:
            raise ValueError(f"images must be uint8 (N, C, S, S), not {images.dtype} {images.shape}")
        if labels.shape != (len(images),):
            raise ValueError(f"{len(images)} images, but labels of shape {labels.shape}")
        self.device = torch.device(device)
        self._stored_side = images.shape[2]
        self.side = side or self._stored_side
        self._mapped = rows_of(images)
        stays = fits(images.nbytes, self.device)
        self._resident = torch.from_numpy(np.array(images)).to(self.device) if stays else None
        self._labels = torch.from_numpy(np.array(labels, np.int64)).to(self.device)
        # (x / 255 - mean) / std, as one product and one sum
        deviation = torch.tensor(std, dtype=torch.float64)
        scale, shift = 1 / (255 * deviation), -torch.tensor(mean, dtype=torch.float64) / deviation
        self._scale = scale.float().view(1, -1, 1, 1).to(self.device)
        self._shift = shift.float().view(1, -1, 1, 1).to(self.device)

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def labels(self) -> torch.Tensor:
        """The labels int64 (N,), on the device."""
        return self._labels

    def steps(self, batch_size: int, *, shuffle: bool) -> int:
        """Return the number of batches that `batches` yields with these arguments."""
        return len(batch_bounds(len(self), batch_size, shuffle=shuffle))

    def batches(
        self,
        batch_size: int,
        *,
        augment: Augment | None = None,
        shuffle: bool,
        seed: int | None = None,
        start: int = 0,
        balanced: bool = False,
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield one pass: normalised float32 images (B, C, side, side), channels last, and int64 labels (B,).

        Flip, crop (or resized crop), jitter, RandAugment and cutout follow `augment` in this order. A crop has a border
        of zeros (black); a cutout square is set to the mean (0 after normalisation), as in DARTS (Liu et al. 2019).
        `seed` decides order and augmentation: give each epoch its own. When shuffling, a last single image joins the
        batch before, since batch norm cannot train on it. The first `start` batches are left out; the others stay the
        same. If `balanced`, each image is drawn from a random class, in the place of shuffling. Raises UserError if
        grey images are to get other colours.
        """
        augment = augment or Augment()
        if (shuffle or balanced or is_random(augment)) and seed is None:
            raise ValueError("shuffling and augmentation need a seed")
        if augment.jitter is not None:
            check_channels(augment.jitter, self._mapped.shape[1])
        generator = torch.Generator().manual_seed(seed or 0)
        if balanced:
            order = balanced_order(self._labels.cpu(), generator)
        else:
            order = torch.randperm(len(self), generator=generator) if shuffle else torch.arange(len(self))
        numbers = Numbers.draw(len(self), self._stored_side, augment, generator)
        there, numbers = order.to(self.device), numbers.to(self.device)
        bounds = batch_bounds(len(self), batch_size, shuffle=shuffle)[start:]
        for (first, stop), raw in zip(bounds, self._raw(order, there, bounds), strict=True):
            part = numbers.part(first, stop)
            raw = shift_and_flip(raw, augment.crop, part)
            if part.boxes is not None:
                raw = resized_crop(raw, part.boxes)
            if part.factors is not None and augment.jitter is not None:
                raw = jittered(raw, part.factors, augment.jitter)
            if part.operations is not None:
                raw = rand_augment(raw, part.operations, augment.magnitude)
            images = raw.float().mul_(self._scale).add_(self._shift)
            if part.centre is not None:
                images = cut_out(images, augment.cutout, part.centre)
            if self.side != self._stored_side:
                images = F.interpolate(images, size=(self.side, self.side), mode="bilinear", antialias=True)
            yield images.contiguous(memory_format=torch.channels_last), self._labels[there[first:stop]]

    def _raw(self, order: torch.Tensor, there: torch.Tensor, bounds: list[tuple[int, int]]) -> Iterator[torch.Tensor]:
        """Return the images of each batch, uint8 on the device; `there` is `order` on the device."""
        if self._resident is None:
            return raw_batches(self._mapped, [order[first:stop].numpy() for first, stop in bounds], self.device)
        resident = self._resident
        return (resident[there[first:stop]] for first, stop in bounds)


class Numbers(NamedTuple):
    """Random numbers of N images; None if not augmented. Rows come first; operations stay on the CPU."""

    flip: torch.Tensor | None  # bool (N,)
    offset: torch.Tensor | None  # int64 (N, 2), of the crop
    centre: torch.Tensor | None  # int64 (N, 2), of the cutout
    operations: torch.Tensor | None = None  # int64 (N, operations), of RandAugment
    boxes: torch.Tensor | None = None  # int64 (N, 4), of the resized crop
    factors: torch.Tensor | None = None  # float32 (N, 4), of the jitter

    @staticmethod
    def draw(count: int, side: int, augment: Augment, generator: torch.Generator) -> Numbers:
        return Numbers(
            torch.rand(count, generator=generator) < 0.5 if augment.flip else None,
            torch.randint(2 * augment.crop + 1, (count, 2), generator=generator) if augment.crop else None,
            torch.randint(side, (count, 2), generator=generator) if augment.cutout else None,
            draw(count, augment.randaugment, generator) if augment.randaugment else None,
            draw_boxes(count, side, augment.resized_crop, generator) if augment.resized_crop else None,
            draw_factors(count, augment.jitter, generator) if augment.jitter else None,
        )

    def to(self, device: torch.device) -> Numbers:
        others = self._replace(operations=None)
        there = Numbers(*(None if one is None else one.to(device) for one in others))
        return there._replace(operations=self.operations)

    def part(self, start: int, stop: int) -> Numbers:
        return Numbers(*(None if one is None else one[start:stop] for one in self))


def is_random(augment: Augment) -> bool:
    """Return whether anything is drawn for an image."""
    cropped = augment.crop or augment.resized_crop is not None
    return bool(augment.flip or cropped or augment.jitter is not None or augment.cutout or augment.randaugment)


def batch_bounds(count: int, batch_size: int, *, shuffle: bool) -> list[tuple[int, int]]:
    """Return start and stop of every batch of one pass of `DeviceImages.batches`."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    bounds = [(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]
    if shuffle and batch_size > 1 and len(bounds) > 1 and count - bounds[-1][0] == 1:
        bounds[-2:] = [(bounds[-2][0], count)]
    return bounds


def fits(size: int, device: torch.device) -> bool:
    """Return whether `size` bytes of images may be on `device`."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return size <= GPU_SHARE * free
    return size <= CPU_LIMIT


def shift_and_flip(images: torch.Tensor, padding: int, numbers: Numbers) -> torch.Tensor:
    """Crop (B, C, S, S) at `numbers.offset` from its zero-padded self, and mirror it at `numbers.flip`."""
    if numbers.flip is None and numbers.offset is None:
        return images
    count, _, side, _ = images.shape
    rows = columns = torch.arange(side, device=images.device).expand(count, side)
    if numbers.flip is not None:
        columns = torch.where(numbers.flip[:, None], side - 1 - columns, columns)
    if numbers.offset is not None:
        images = F.pad(images, (padding, padding, padding, padding))
        rows, columns = rows + numbers.offset[:, :1], columns + numbers.offset[:, 1:]
    which = torch.arange(count, device=images.device)[:, None, None]
    # the channels come last, which is the memory format that is wanted anyway
    return images.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cut_out(images: torch.Tensor, size: int, centre: torch.Tensor) -> torch.Tensor:
    """Set one square of `size` pixels around `centre`, clipped at the border, to 0 (DeVries & Taylor 2017)."""
    line = torch.arange(images.shape[2], device=images.device)
    first = centre[:, :, None] - size // 2
    inside = (line >= first) & (line < first + size)
    return images.masked_fill((inside[:, 0, :, None] & inside[:, 1, None, :])[:, None], 0.0)
