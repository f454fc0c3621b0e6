"""Small supernets in double precision and batches for them."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from nas_steps.config.space import Network
from nas_steps.models.cells.supernet import Supernet
from nas_steps.spaces.cells.space import CellSpace

SPACE = CellSpace("s", ("none", "skip_connect", "max_pool_3x3", "nor_conv_1x1", "sep_conv_3x3"), 1, None)
NETWORK = Network(channels=2, cells=3, stem_multiplier=1)

Batch = tuple[Tensor, Tensor]


def supernet(space: CellSpace = SPACE, *, k: int = 1, dtype: torch.dtype = torch.float64) -> Supernet:
    """Weights of seed 0, alphas that are not all alike."""
    torch.manual_seed(0)
    network = NETWORK if space.inputs == 2 else Network(channels=2, cells=1)
    if k > 1:
        network = network.model_copy(update={"channels": 2 * k})
    net = Supernet(space, network, inputs=1, classes=3, k=k).to(dtype)
    with torch.no_grad():
        for alpha in net.architecture():
            alpha.normal_()
    return net


def batch(seed: int, images: int = 6, side: int = 4, dtype: torch.dtype = torch.float64) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(images, 1, side, side, generator=generator, dtype=torch.float64).to(dtype)
    return x, torch.randint(3, (images,), generator=generator)


def loss_of(net: Supernet) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
    """What a step differentiates, reports and counts."""

    def loss(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = net(images)
        found = F.cross_entropy(logits, labels)
        return found, found, (logits.detach().argmax(1) == labels).sum()

    return loss
