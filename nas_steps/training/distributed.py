"""Train one network in several processes (torchrun): each learns a share of every batch, the gradients are summed.

The result is that of one process, rounding aside: batch norms see the whole batch, masks are drawn for the whole batch
(`nas_steps.models.share`), and all processes learn a batch that is too small."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from nas_steps.errors import UserError
from nas_steps.models.share import Share


class World:
    """The processes that train together. `rank` is this one's number; rank 0 alone writes files."""

    def __init__(self, rank: int = 0, size: int = 1, control: dist.ProcessGroup | None = None) -> None:
        self.rank, self.size = rank, size
        # messages between CPUs, whatever device trains
        self._control = control

    @property
    def writes(self) -> bool:
        return self.rank == 0

    def share(self, count: int) -> Share | None:
        """Return this process's share of `count` images; None if it learns all of them.

        It does if it is alone, or if a process had fewer than two (batch norms)."""
        if self.size == 1 or count < 2 * self.size:
            return None
        each, more = divmod(count, self.size)
        return Share(self.rank, tuple(each + (rank < more) for rank in range(self.size)), dist.all_reduce)

    def sum(self, *values: Tensor) -> list[Tensor]:
        """Sum scalars over all processes."""
        if self.size == 1:
            return list(values)
        totals = torch.stack([value.double() for value in values])
        dist.all_reduce(totals)
        return [total.to(value.dtype) for total, value in zip(totals, values, strict=True)]

    def largest(self, *numbers: int) -> list[int]:
        """Return the largest of all processes' numbers, place by place, so that they agree to stop or to save."""
        if self.size == 1:
            return list(numbers)
        largest = torch.tensor(numbers)
        dist.all_reduce(largest, dist.ReduceOp.MAX, group=self._control)
        return [int(number) for number in largest]

    def from_first(self, data: bytes | None) -> bytes | None:
        """Return the data of rank 0 on all processes."""
        if self.size == 1:
            return data
        received = [data]
        dist.broadcast_object_list(received, 0, group=self._control)
        return received[0]

    def assert_same(self, state: Any, what: str) -> None:
        """Raise RuntimeError if a tensor of `state` differs between processes in any bit."""
        if self.size == 1:
            return
        sha256 = hashlib.sha256()
        for tensor in _tensors(state):
            sha256.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        digests = [""] * self.size
        dist.all_gather_object(digests, sha256.hexdigest(), group=self._control)
        if different := [rank for rank, digest in enumerate(digests) if digest != digests[0]]:
            raise RuntimeError(f"{what}: processes {different} do not have the state of process 0")


def _tensors(state: Any) -> Iterator[Tensor]:
    if isinstance(state, dict):
        state = [state[key] for key in sorted(state, key=str)]
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, list | tuple):
        for item in state:
            yield from _tensors(item)


_world = World()


def world() -> World:
    """Return the processes that this one trains with; only itself, outside of `joined`."""
    return _world


@contextmanager
def joined(processes: int, device: torch.device) -> Iterator[World]:
    """Train together with torchrun's processes. Raises UserError if their number is not that of the config."""
    global _world
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != processes:
        raise UserError(
            f"{started} processes were started, but the config says processes: {processes}; run the command by "
            f"`python -m nas_steps.training.launch {processes} -m ...` or by snakemake"
        )
    if processes == 1:
        yield _world
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timedelta(minutes=10))
    try:
        control = dist.new_group(backend="gloo")
        assert isinstance(control, dist.ProcessGroup)  # this process is a member
        _world = World(dist.get_rank(), processes, control)
        yield _world
    finally:
        _world = World()
        dist.destroy_process_group()
