"""Mixtures of pairs of images in a batch: mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019)."""

import math
import random

import torch
from torch import Tensor

from nas_steps.config.recipe import Recipe
from nas_steps.provenance.seeds import derive_seed


def mixed(images: Tensor, recipe: Recipe, seed: int, step: int) -> tuple[Tensor, float]:
    """Mix each of the images (B, C, H, W) with the one before it; return them and the share that is an image's own.

    If the recipe has both, a batch draws one of mixup and CutMix with probability 1/2. All draws come from `seed` and
    the number of the step: so all processes mix alike, and a resumed training as an unbroken one.
    """
    cut = recipe.cutmix > 0
    if cut and recipe.mixup:
        cut = random.Random(derive_seed(seed, "mixup or cutmix", step)).random() < 0.5
    if cut:
        draws = random.Random(derive_seed(seed, "cutmix", step))
        share, row, column = draws.betavariate(recipe.cutmix, recipe.cutmix), draws.random(), draws.random()
        return cutmix(images, share, row, column)
    draws = random.Random(derive_seed(seed, "mixup", step))
    share = draws.betavariate(recipe.mixup, recipe.mixup)
    blended = torch.lerp(images.roll(1, 0), images, share)
    return blended.contiguous(memory_format=torch.channels_last), share


def cutmix(images: Tensor, share: float, row: float, column: float) -> tuple[Tensor, float]:
    """Paste a rectangle of the image before into each image; return the images and the exact share that stays.

    The rectangle would take 1 - `share` of the area, has the image's ratio of sides and a centre at `row` and `column`
    (0 to 1), and is clipped at the border (Yun et al. 2019, section 3.1 and algorithm A1).
    """
    bounds = []
    for side, place in zip(images.shape[2:], (row, column), strict=True):
        length, centre = int(side * math.sqrt(1 - share)), int(place * side)
        bounds.append((max(0, centre - length // 2), min(side, centre + length // 2)))
    (top, bottom), (left, right) = bounds
    pasted = images.clone(memory_format=torch.channels_last)
    pasted[:, :, top:bottom, left:right] = images.roll(1, 0)[:, :, top:bottom, left:right]
    return pasted, 1 - (bottom - top) * (right - left) / (images.shape[2] * images.shape[3])
