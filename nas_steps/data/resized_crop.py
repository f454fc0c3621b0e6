"""Random resized crops of a batch (Szegedy et al. 2015, section 6), as torchvision's RandomResizedCrop draws them."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from nas_steps.config.section import ResizedCrop

#: draws of area and ratio; if none fits into the image, the largest central part is taken
TRIES = 10


def draw_boxes(count: int, side: int, crop: ResizedCrop, generator: torch.Generator) -> Tensor:
    """Draw boxes (count, 4), int64, inside images of `side` pixels: top, left, height, width.

    Area and logarithm of width per height are uniform, then rounded to pixels.
    """
    sizes = torch.tensor(_central(side, crop.ratio)).repeat(count, 1)
    missing = torch.arange(count)
    for _ in range(TRIES):
        share, power = torch.rand(2, len(missing), generator=generator, dtype=torch.float64)
        area = side**2 * torch.lerp(*_ends(*crop.scale), share)
        ratio = torch.lerp(*_ends(*map(math.log, crop.ratio)), power).exp()
        drawn = torch.stack([area / ratio, area * ratio], 1).sqrt().round().long()
        inside = ((drawn > 0) & (drawn <= side)).all(1)
        sizes[missing[inside]] = drawn[inside]
        missing = missing[~inside]
    room = side - sizes
    places = (torch.rand(count, 2, generator=generator, dtype=torch.float64) * (room + 1)).long()
    places[missing] = room[missing] // 2
    return torch.cat([places, sizes], 1)


def _ends(low: float, high: float) -> tuple[Tensor, Tensor]:
    return torch.tensor(low, dtype=torch.float64), torch.tensor(high, dtype=torch.float64)


def _central(side: int, ratio: list[float]) -> tuple[int, int]:
    """Return height and width of the largest part of a square that has an allowed ratio."""
    if ratio[0] > 1:
        return max(1, round(side / ratio[0])), side
    return side, max(1, round(side * min(1.0, ratio[1])))


def resized_crop(images: Tensor, boxes: Tensor) -> Tensor:
    """Cut `boxes` (B, 4; on their device) from uint8 images (B, C, S, S) and resize them to S: bilinear, antialiased.

    No pixel outside a box counts. A CPU computes what torchvision does for single images: at 128 pixels this is faster
    than `grid_sample`, which does not antialias. Other devices compute all at once, and round one level apart at most.
    """
    if images.device.type != "cpu":
        return resampled(images, boxes)
    side = images.shape[2]
    cropped = torch.empty_like(images, memory_format=torch.channels_last)
    for number, (top, left, height, width) in enumerate(boxes.tolist()):
        part = images[number : number + 1, :, top : top + height, left : left + width]
        cropped[number] = F.interpolate(part, size=(side, side), mode="bilinear", antialias=True)[0]
    return cropped


def resampled(images: Tensor, boxes: Tensor) -> Tensor:
    """Do the same by two matrix products for the whole batch."""
    top, left, height, width = boxes.unbind(1)
    rows, columns = (_weights(first, length, images.shape[2]) for first, length in ((top, height), (left, width)))
    found = rows[:, None] @ images.float() @ columns[:, None].transpose(2, 3)
    return found.round_().to(torch.uint8)


def _weights(first: Tensor, length: Tensor, side: int) -> Tensor:
    """Return the share (B, side, side) of each old pixel in each new one, a triangle around the new one's centre."""
    pixels = torch.arange(side, device=first.device)
    scale = (length / side)[:, None, None]
    centres = first[:, None, None] + (pixels[None, :, None] + 0.5) * scale
    shares = (1 - (pixels + 0.5 - centres).abs() / scale.clamp(min=1)).clamp_(min=0)
    inside = (pixels >= first[:, None]) & (pixels < (first + length)[:, None])
    shares = shares * inside[:, None]
    return shares / shares.sum(2, keepdim=True)
