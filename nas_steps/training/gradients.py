"""Sum the gradients of several processes in buckets, while the backward pass goes on (Li et al. 2020, section 3.2.3).

DistributedDataParallel would need a gradient of every parameter, and one set of parameters in all passes."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import torch
import torch.distributed as dist
from torch import Tensor, nn

#: numbers in a message, at least: below it, a message's latency costs more than its transfer
BUCKET = 1_000_000


class GradientSums:
    """The gradients of `parameters`, summed over the processes bucket by bucket.

    In the block, a bucket is sent as soon as a backward pass has filled it. All processes must compute the same graph,
    so that they send the same buckets in the same order. `finish` ends the sums; the gradients are then those of all
    processes, the same in each bit."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.parameters = parameters
        self._bucket: list[nn.Parameter] = []
        self._numbers = 0
        self._sent: list[tuple[dist.Work, list[nn.Parameter], Tensor]] = []

    def __enter__(self) -> GradientSums:
        self._hooks = [one.register_post_accumulate_grad_hook(self.add) for one in self.parameters]
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()

    def add(self, parameter: nn.Parameter) -> None:
        """Take the gradient of a parameter, which no later pass changes."""
        if self._bucket and self._bucket[0].dtype != parameter.dtype:
            self._send()
        self._bucket.append(parameter)
        self._numbers += parameter.numel()
        if self._numbers >= BUCKET:
            self._send()

    def finish(self, *scalars: Tensor) -> list[Tensor]:
        """Send the last bucket, together with these numbers, and return the numbers summed over the processes.

        A sum of whole numbers is exact up to 2 ** 24."""
        self._send(scalars)
        sums: list[Tensor] = []
        for work, parameters, flat in self._sent:
            work.wait()
            place = 0
            for parameter in parameters:
                assert parameter.grad is not None
                parameter.grad = _part(flat, place, parameter.grad)
                place += parameter.numel()
            sums = [total.to(scalar.dtype) for total, scalar in zip(flat[place:], scalars, strict=False)]
        self._sent = []
        return sums

    def _send(self, scalars: Sequence[Tensor] = ()) -> None:
        parameters, self._bucket, self._numbers = self._bucket, [], 0
        gradients = [_dense(parameter) for parameter in parameters]
        some = [*gradients, *scalars]
        if not some:
            return
        dtype = gradients[0].dtype if gradients else torch.promote_types(scalars[0].dtype, torch.float32)
        size = sum(one.numel() for one in some)
        flat = torch.empty(size, dtype=dtype, device=some[0].device)
        place = 0
        parts = []
        for gradient in gradients:
            parts.append(_part(flat, place, gradient))
            place += gradient.numel()
        with torch.no_grad():
            if parts:
                torch._foreach_copy_(parts, gradients)
            if scalars:
                flat[place:] = torch.stack([scalar.detach().to(dtype) for scalar in scalars])
        work = dist.all_reduce(flat, async_op=True)
        assert work is not None  # this process is a member of the group
        self._sent.append((work, parameters, flat))


def _dense(parameter: nn.Parameter) -> Tensor:
    """Return the gradient, which takes all of its memory once."""
    gradient = parameter.grad
    assert gradient is not None
    last = gradient.ndim == 4 and gradient.is_contiguous(memory_format=torch.channels_last)
    if not last and not gradient.is_contiguous():
        parameter.grad = gradient = gradient.contiguous()
    return gradient


def _part(flat: Tensor, place: int, like: Tensor) -> Tensor:
    """Return the numbers of `flat` from `place` on, laid out as `like`."""
    return flat[place : place + like.numel()].as_strided(like.shape, like.stride(), place)
