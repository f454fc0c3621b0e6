"""Keep, re-estimate and synchronise the statistics of batch norms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from nas_steps.models.cells.folding import Normalising
from nas_steps.models.mobile.entangled import EntangledBlock
from nas_steps.models.share import share, share_draws
from nas_steps.models.shared_norm import batch_norm
from nas_steps.training.distributed import world


def statistics(model: nn.Module) -> list[Tensor]:
    """Copy the running statistics."""
    return [buffer.clone() for buffer in model.buffers()]


@torch.no_grad()
def put_back(model: nn.Module, kept: Sequence[Tensor]) -> None:
    """Restore the running statistics that `statistics` copied."""
    for buffer, old in zip(model.buffers(), kept, strict=True):
        buffer.copy_(old)


def freeze_statistics(model: nn.Module) -> None:
    """Let batch norms normalise by their running statistics until `model.train()` is called again; they still learn."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


@contextmanager
def same_statistics(model: nn.Module) -> Iterator[None]:
    """Restore the running statistics after the block."""
    kept = statistics(model)
    try:
        yield
    finally:
        put_back(model, kept)


@contextmanager
def kept_momentum(model: nn.Module) -> Iterator[list[nn.BatchNorm2d | Normalising]]:
    """Yield the batch norms of `model`; restore their momentum after the block."""
    norms = [module for module in model.modules() if isinstance(module, (nn.BatchNorm2d, Normalising))]
    before = [norm.momentum for norm in norms]
    try:
        yield norms
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum


class SynchronisedBatchNorm2d(nn.BatchNorm2d):
    """A batch norm over the images of all processes, with the state of a BatchNorm2d."""

    @classmethod
    def of(cls, norm: nn.BatchNorm2d) -> SynchronisedBatchNorm2d:
        """Return the same norm, with the same tensors."""
        made = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats, device="meta")
        made.weight, made.bias = norm.weight, norm.bias
        made.running_mean, made.running_var = norm.running_mean, norm.running_var
        made.num_batches_tracked = norm.num_batches_tracked
        return made.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or share() is None:
            return super().forward(x)
        momentum = 0.0
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            momentum = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, momentum, self.eps)


def synchronise(model: nn.Module) -> None:
    """Let the layers of `model` do with a shared batch what they do in one process, if there are several.

    Batch norms see the images of all processes, and each image has the masks that it would have in one process."""
    if world().size == 1:
        return
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                setattr(module, name, SynchronisedBatchNorm2d.of(child))
        share_draws(module)
        if isinstance(module, EntangledBlock):
            for small in module.small.values():
                synchronise(small)
