"""RandAugment (Cubuk et al. 2020, section 3) of a whole batch, with torchvision's operations and magnitudes.

torchvision's draws one choice for a batch. Here each image has its own; equal ones are augmented in one call.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
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


def rand_augment(images: Tensor, choices: Tensor, magnitude: int) -> Tensor:
    """Apply to uint8 images (B, 1 or 3, S, S) their `choices` (B, operations; on the CPU) at `magnitude`."""
    functions = list(OPERATIONS.values())
    for column in choices.unbind(1):
        changed = torch.empty_like(images)
        for choice in column.unique().tolist():
            where = (column == choice).nonzero().squeeze(1).to(images.device)
            number, negative = divmod(choice, 2)
            strength = magnitude / STRONGEST * (-1 if negative else 1)
            changed[where] = functions[number](images[where].contiguous(), strength)
        images = changed
    return images
