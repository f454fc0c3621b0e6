"""RandAugment (Cubuk et al. 2020, section 3) of a whole batch, with torchvision's operations and magnitudes.

torchvision's draws one choice for a batch. Here each image has its own; equal ones are augmented in one call.
"""

import math
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import grid_sample
from torchvision.transforms.v2 import functional as F

#: uint8 images (B, 1 or 3, S, S), strength from -1 to 1 -> images
Operation = Callable[[Tensor, float], Tensor]

#: pixels of the side of 331 that an image is moved by at full strength, and radians' tangent, degrees, factor
TRANSLATION, SHEAR, ROTATION, FACTOR = 150 / 331, 0.3, 30.0, 0.9
STRONGEST = 30


def _affine(images: Tensor, translate: list[float], shear: list[float], centre: list[float] | None) -> Tensor:
    return F.affine(images, angle=0.0, translate=translate, scale=1.0, shear=shear, center=centre)


def _shear(strength: float) -> float:
    return math.degrees(math.atan(SHEAR * strength))


def _shift(images: Tensor, strength: float) -> float:
    return float(int(TRANSLATION * strength * images.shape[-1]))


OPERATIONS: dict[str, Operation] = {
    "identity": lambda images, _: images,
    "shear_x": lambda images, strength: _affine(images, [0.0, 0.0], [_shear(strength), 0.0], [0.0, 0.0]),
    "shear_y": lambda images, strength: _affine(images, [0.0, 0.0], [0.0, _shear(strength)], [0.0, 0.0]),
    "translate_x": lambda images, strength: _affine(images, [_shift(images, strength), 0.0], [0.0, 0.0], None),
    "translate_y": lambda images, strength: _affine(images, [0.0, _shift(images, strength)], [0.0, 0.0], None),
    "rotate": lambda images, strength: F.rotate(images, ROTATION * strength),
    "brightness": lambda images, strength: F.adjust_brightness(images, 1 + FACTOR * strength),
    "colour": lambda images, strength: F.adjust_saturation(images, 1 + FACTOR * strength),
    "contrast": lambda images, strength: F.adjust_contrast(images, 1 + FACTOR * strength),
    "sharpness": lambda images, strength: F.adjust_sharpness(images, 1 + FACTOR * strength),
    "posterize": lambda images, strength: F.posterize(images, round(8 - 4 * abs(strength))),
    "solarize": lambda images, strength: F.solarize(images, 255.0 * (1 - abs(strength))),
    "auto_contrast": lambda images, _: F.autocontrast(images),
    "equalize": lambda images, _: F.equalize(images),
}
#: the choices of one operation: its number and its sign (odd: negative), which some operations do not have
CHOICES = 2 * len(OPERATIONS)


def draw(count: int, operations: int, generator: torch.Generator) -> Tensor:
    """Draw choices (count, operations), int64 below CHOICES; (count, 0) for none."""
    return torch.randint(CHOICES, (count, operations), generator=generator)


#: operations that move pixels: one call does them all, each image by a matrix of its own
MOVES = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
#: operations without a sign
UNSIGNED = ("identity", "posterize", "solarize", "auto_contrast", "equalize")


def _call(choice: int) -> int:
    """Return the choice that stands for all that are computed by one call."""
    name = list(OPERATIONS)[choice // 2]
    return 2 * list(OPERATIONS).index(MOVES[0]) if name in MOVES else choice - choice % 2 * (name in UNSIGNED)


CALLS = torch.tensor([_call(choice) for choice in range(CHOICES)])


def rand_augment(images: Tensor, choices: Tensor, magnitude: int) -> Tensor:
    """Apply to uint8 images (B, 1 or 3, S, S) their `choices` (B, operations; on the CPU) at `magnitude`.

    Images are sorted by what is done to them. The host knows the order, so it waits for no GPU."""
    for column in choices.unbind(1):
        calls = CALLS[column]
        order = calls.argsort(stable=True)
        counts = calls.bincount(minlength=CHOICES).tolist()
        packed = torch.stack([order, order.argsort(), column[order]])
        there, back, chosen = packed.to(images.device, non_blocking=images.device.type == "cuda")
        parts, first = [], 0
        images = images[there].contiguous()
        for call, count in enumerate(counts):
            if count:
                part = images[first : first + count]
                parts.append(_done(part, call, magnitude, chosen[first : first + count]))
                first += count
        images = torch.cat(parts)[back]
    return images


def _done(images: Tensor, call: int, magnitude: int, chosen: Tensor) -> Tensor:
    """Do one call for images (B, C, S, S), whose own choices are `chosen` (B,), on their device."""
    name, negative = list(OPERATIONS)[call // 2], call % 2
    if name in MOVES:
        return _moved(images, _matrices(images.shape[-1], magnitude, images.device)[chosen])
    return OPERATIONS[name](images, magnitude / STRONGEST * (-1 if negative else 1))


def _moved(images: Tensor, matrices: Tensor) -> Tensor:
    """Take each pixel from where its image's matrix (B, 3, 2) leads, black outside, as torchvision's `affine`."""
    side = images.shape[-1]
    line = torch.linspace((1.0 - side) * 0.5, (side - 1.0) * 0.5, steps=side, device=images.device)
    across = line.expand(side, side)
    places = torch.stack([across, across.T, torch.ones_like(across)], -1)
    grid = places.view(1, -1, 3).expand(len(images), -1, -1).bmm(matrices).view(-1, side, side, 2)
    found = grid_sample(images.float(), grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return found.round_().to(torch.uint8)


@cache
def _matrices(side: int, magnitude: int, device: torch.device) -> Tensor:
    """Return by choice the matrix (CHOICES, 3, 2) from a pixel's place to its source's, in half sides."""
    rows = torch.zeros(CHOICES, 2, 3)
    for number, name in enumerate(OPERATIONS):
        for negative in (0, 1):
            strength = magnitude / STRONGEST * (-1 if negative else 1)
            if name in MOVES:
                rows[2 * number + negative] = torch.tensor(_inverse(name, strength, side))
    return (rows.transpose(1, 2) / torch.tensor([0.5 * side, 0.5 * side])).to(device)


def _inverse(name: str, strength: float, side: int) -> list[list[float]]:
    """Return the matrix (2, 3) from an image's pixels, counted from its centre, to those that they come from."""
    if name == "rotate":
        turn = math.radians(ROTATION * strength)
        return [[math.cos(turn), -math.sin(turn), 0.0], [math.sin(turn), math.cos(turn), 0.0]]
    if name.startswith("translate"):
        shift = float(int(TRANSLATION * strength * side))
        return [[1.0, 0.0, -shift * (name == "translate_x")], [0.0, 1.0, -shift * (name == "translate_y")]]
    # the upper left corner stays
    tangent = math.tan(math.radians(_shear(strength)))
    if name == "shear_x":
        return [[1.0, tangent, tangent * side * 0.5], [0.0, 1.0, 0.0]]
    return [[1.0, 0.0, 0.0], [tangent, 1.0, tangent * side * 0.5]]
