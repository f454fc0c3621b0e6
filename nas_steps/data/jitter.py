"""Random brightness, contrast, saturation and hue of a whole batch: torchvision's ColorJitter with fixed order."""

import torch
from torch import Tensor

from nas_steps.config.section import Jitter
from nas_steps.errors import UserError

#: share of red, green and blue in grey (ITU-R 601-2), as torchvision's
GREY = (0.2989, 0.587, 0.114)
#: images at once on a CPU: their pixels stay in the cache
CHUNK = 4


def check_channels(jitter: Jitter, channels: int) -> None:
    """Raise UserError if grey images are to get other colours."""
    if channels == 1 and (jitter.saturation or jitter.hue):
        raise UserError(
            f"augment.jitter has saturation {jitter.saturation:g} and hue {jitter.hue:g}, but the images are grey; set "
            "both to 0, or data.channels to 3"
        )


def draw_factors(count: int, jitter: Jitter, generator: torch.Generator) -> Tensor:
    """Draw float32 (count, 4): factors of brightness, contrast and saturation, and the turn of the hue."""
    reach = torch.tensor([jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue])
    middle = torch.tensor([1.0, 1.0, 1.0, 0.0])
    return middle + reach * (2 * torch.rand(count, 4, generator=generator) - 1)


def jittered(images: Tensor, factors: Tensor, jitter: Jitter) -> Tensor:
    """Apply `factors` (B, 4) to images (B, 1 or 3, S, S), uint8 or float from 0 to 1; return the same type.

    The order is brightness, contrast, saturation, hue. Values are clipped after each and rounded once, at the end.
    """
    changed = torch.empty_like(images)
    chunk = CHUNK if images.device.type == "cpu" else len(images)
    for part, their, found in zip(images.split(chunk), factors.split(chunk), changed.split(chunk), strict=True):
        found.copy_(_jittered(part, their[:, :, None, None, None].unbind(1), jitter))
    return changed


def _jittered(images: Tensor, factors: tuple[Tensor, ...], jitter: Jitter) -> Tensor:
    """Return float (B, C, S, S) in the range of the images; each factor is (B, 1, 1, 1)."""
    brightness, contrast, saturation, hue = factors
    most = 1.0 if images.is_floating_point() else 255.0
    # planes are contiguous, whatever the images are
    x = images.to(torch.float32, memory_format=torch.contiguous_format)
    if jitter.brightness:
        x = (x * brightness).clamp_(0, most)
    if jitter.contrast:
        x = torch.lerp(_grey(x).mean((1, 2, 3), keepdim=True), x, contrast).clamp_(0, most)
    if jitter.saturation:
        x = torch.lerp(_grey(x), x, saturation).clamp_(0, most)
    if jitter.hue:
        x = _turned(x, hue[:, 0])
    return x if images.is_floating_point() else x.round_()


def _grey(x: Tensor) -> Tensor:
    """(B, C, S, S) -> (B, 1, S, S)."""
    if x.shape[1] == 1:
        return x
    red, green, blue = x.split(1, 1)
    return (red * GREY[0]).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2])


def _turned(x: Tensor, turn: Tensor) -> Tensor:
    """Add `turn` (B, 1, 1), of a whole circle, to the hue of (B, 3, S, S); value and saturation stay (HSV)."""
    red, green, blue = x.unbind(1)
    least, value = torch.aminmax(x, dim=1)
    chroma = value - least
    divisor = torch.where(chroma == 0, 1.0, chroma)  # a grey pixel has any hue
    hue = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    hue += 6 * turn
    turned = torch.empty_like(x)
    for channel, offset in enumerate((5, 3, 1)):
        # how far the channel is below the value: a trapezium over the circle of 6
        place = hue + offset
        place -= 6 * torch.floor(place / 6)
        below = torch.minimum(place, 4 - place).clamp_(0, 1)
        torch.sub(value, below.mul_(chroma), out=turned[:, channel])
    return turned
