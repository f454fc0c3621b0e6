"""What a supernet says of mixes and architectures, with the weights that they share."""

from __future__ import annotations

from random import Random

import torch
from torch import Tensor, nn

from nas_steps.data.batches import DeviceImages
from nas_steps.models.cells.supernet import Supernet
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.darts.learner import same_statistics
from nas_steps.search.darts.relaxations import Mix, discrete
from nas_steps.spaces.cells.space import CellArchitecture
from nas_steps.training.distributed import world
from nas_steps.training.loop import evaluate


class Mixed(nn.Module):
    """A supernet under one mix: (N, C, side, side) -> logits.

    `fresh` norms by the statistics of the images at hand: the running ones were gathered under other mixes, and do not
    fit one that computes a few operations alone (Bender et al. 2018, section 3.3).
    """

    def __init__(self, supernet: Supernet, mix: Mix, *, fresh: bool) -> None:
        super().__init__()
        # in a list, where `train` and `eval` do not reach it
        self._supernet = [supernet]
        self.mix = mix
        self.fresh = fresh

    def forward(self, x: Tensor) -> Tensor:
        supernet = self._supernet[0]
        # a single image, the last of many, has no statistics of its own where its side has come down to 1
        supernet.train(self.fresh and len(x) > 1)
        return supernet(x, self.mix.weights, self.mix.active, self.mix.around)


@torch.no_grad()
def accuracy(supernet: Supernet, mix: Mix, data: DeviceImages, *, fresh: bool = False) -> tuple[float, float]:
    """Mean loss and accuracy on `data`; the supernet is as before."""
    was_training = supernet.training
    try:
        # several processes share the batches out, and each batch has statistics of its own
        with same_statistics(supernet), world().apart():
            return evaluate(Mixed(supernet, mix, fresh=fresh), data)
    finally:
        supernet.train(was_training)


def rank_by_shared_weights(
    supernet: Supernet, data: DeviceImages, *, evaluations: int, seed: int
) -> list[tuple[CellArchitecture, float]]:
    """Draw so many architectures (fewer where the space has not as many), best accuracy first."""
    space = supernet.space
    random = Random(derive_seed(seed, "ranked by shared weights"))
    drawn: dict[str, CellArchitecture] = {}
    for _ in range(100 * evaluations):
        if len(drawn) == min(evaluations, space.size()):
            break
        architecture = space.sample(random)
        drawn.setdefault(str(architecture), architecture)
    scored = [
        (architecture, accuracy(supernet, discrete(supernet, architecture), data, fresh=True)[1])
        for architecture in drawn.values()
    ]
    return sorted(scored, key=lambda pair: -pair[1])
