"""Batches of images that do not fit into memory: read from their file ahead of the training, in threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from nas_steps.data.ahead import ahead
from nas_steps.data.rows import Images, Rows

#: threads that read, and batches that wait at most: a slow read is made up for by those that are ready
THREADS, DEPTH = 2, 4


def raw_batches(images: Images, order: Sequence[np.ndarray], device: torch.device) -> Iterator[torch.Tensor]:
    """Yield uint8 (B, C, S, S) on `device` for each of the arrays of image numbers in `order`.

    The next DEPTH batches are read meanwhile. Reads are explicit, so no page of the file counts as this process's
    memory. For CUDA, batches lie in pinned memory and are copied while the GPU computes.
    """
    pinned = device.type == "cuda"

    def gather(chosen: np.ndarray) -> torch.Tensor:
        batch = torch.empty((len(chosen), *images.shape[1:]), dtype=torch.uint8, pin_memory=pinned)
        if isinstance(images, Rows):
            images.gather(chosen, batch.numpy())
        else:
            np.take(images, chosen, axis=0, out=batch.numpy(), mode="clip")  # numbers are known to be inside
        return batch

    for batch in ahead(gather, order, threads=THREADS, depth=DEPTH):
        yield batch.to(device, non_blocking=pinned)
