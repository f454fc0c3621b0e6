"""Score networks as they are initialised, on one batch of training images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nas_steps.config.space import Network
from nas_steps.data.batches import DeviceImages
from nas_steps.data.store import Meta, load_split, part_of, read_meta
from nas_steps.errors import UserError
from nas_steps.estimation.zero_cost import Measured, zero_cost
from nas_steps.models.build import build, size
from nas_steps.models.count import Size
from nas_steps.provenance.seeds import derive_seed


@dataclass(frozen=True)
class Batch:
    """Images of each class, normalised, float32 (N, C, S, S) with int64 labels (N,): the same ones for all networks."""

    images: torch.Tensor
    labels: torch.Tensor
    meta: Meta

    @staticmethod
    def drawn(folder: str, count: int, device: torch.device, seed: int) -> Batch:
        """`count` of the training images, classes in proportion. Raises UserError where there are not so many."""
        meta, train = read_meta(folder), load_split(folder, "train")
        if not len(meta.classes) <= count <= len(train.labels):
            raise UserError(
                f"batch_size is {count}; a zero-cost score needs an image of each of the {len(meta.classes)} classes, "
                f"and there are {len(train.labels)} training images"
            )
        chosen = part_of(train, count / len(train.labels), meta.classes, derive_seed(seed, "zero-cost batch"))
        held = DeviceImages(chosen.images, chosen.labels, meta.mean, meta.std, device)
        images, labels = next(held.batches(count, shuffle=False))
        return Batch(images, labels, meta)


def measure(
    architecture: str, network: Network, batch: Batch, proxies: Sequence[str], *, seed: int
) -> tuple[dict[str, Measured], Size]:
    """The proxies of a network as `seed` initialises it, and its size."""
    shape = {"inputs": batch.meta.shape[0], "classes": len(batch.meta.classes), "side": batch.meta.shape[-1]}
    torch.manual_seed(derive_seed(seed, "initialisation"))
    model = build(architecture, network, **shape, auxiliary=False).to(batch.images.device)
    return zero_cost(model, batch.images, batch.labels, proxies), size(architecture, network, **shape)
