"""Keep, re-estimate and synchronise the statistics of batch norms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from nas_steps.models.cells.folding import Normalising
from nas_steps.models.mobile.entangled import EntangledBlock
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


def _total(value: Tensor) -> Tensor:
    """Sum over all processes; the gradient is summed as well."""
    return value if world().together else all_reduce(value, group=dist.group.WORLD)


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
        if not self.training or world().together:
            return super().forward(x)
        exact = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        count = _total(exact.new_tensor([x.numel() / x.shape[1]]))
        mean = _total(exact.sum((0, 2, 3))) / count
        centred = exact - mean.view(1, -1, 1, 1)
        variance = _total((centred * centred).sum((0, 2, 3))) / count
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            with torch.no_grad():
                assert self.num_batches_tracked is not None
                self.num_batches_tracked.add_(1)
                share = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
                self.running_mean.lerp_(mean, share)
                self.running_var.lerp_(variance * (count / (count - 1)), share)
        normed = centred * torch.rsqrt(variance + self.eps).view(1, -1, 1, 1)
        if self.affine:
            normed = normed * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)
        return normed.to(x.dtype)


def synchronise(model: nn.Module) -> None:
    """Let the batch norms of `model` see the images of all processes, if there are several."""
    if world().size == 1:
        return
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                setattr(module, name, SynchronisedBatchNorm2d.of(child))
        if isinstance(module, Normalising):
            module.total = _total
        elif isinstance(module, EntangledBlock):
            for small in module.small.values():
                synchronise(small)
