"""Classes of unequal size: an epoch's images drawn from all classes alike, and the weights of their losses."""

import torch
from torch import Tensor


def balanced_order(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Draw as many image numbers, int64 (N,), as there are `labels` (N,): a class at random, then one of its images.

    Classes without images are never drawn. Images are drawn with replacement.
    """
    by_class = labels.argsort(stable=True)
    counts = labels.bincount()
    firsts = counts.cumsum(0) - counts
    classes = counts.nonzero()[:, 0]
    drawn = classes[torch.randint(len(classes), (len(labels),), generator=generator)]
    within = torch.rand(len(labels), generator=generator, dtype=torch.float64) * counts[drawn]
    return by_class[firsts[drawn] + within.long()]


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Return the inverse frequency of each class in `labels` (N,), of mean 1 over these: float32 (classes,).

    A class without images has the weight 0, since no loss uses it.
    """
    counts = torch.bincount(labels.cpu(), minlength=classes)
    present = int((counts > 0).sum())
    weights = len(labels) / (present * counts.clamp(min=1)) * (counts > 0)
    return weights.float().to(labels.device)
