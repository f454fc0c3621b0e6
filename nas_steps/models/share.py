"""The share of a batch that this process learns, if several processes learn the batch together.

Layers ask for it here. Those that draw random numbers draw them for the whole batch, from generators that are alike in
all processes, and keep their own images' rows: so each image gets what it would get in one process. Batch norms see the
images of all processes (`nas_steps.models.shared_norm`)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from torch import Tensor, nn
from torchvision.ops.stochastic_depth import StochasticDepth, stochastic_depth


class Share(NamedTuple):
    """The images of process `rank`: it has `counts[rank]` of them, which follow those of the processes before."""

    rank: int
    counts: tuple[int, ...]
    #: sums a tensor over the processes, in place
    add_up: Callable[[Tensor], object]

    @property
    def own(self) -> int:
        return self.counts[self.rank]

    @property
    def whole(self) -> int:
        """The images of the batch."""
        return sum(self.counts)

    @property
    def rows(self) -> slice:
        """This process's images in the batch."""
        first = sum(self.counts[: self.rank])
        return slice(first, first + self.own)


_share: ContextVar[Share | None] = ContextVar("share", default=None)


def share() -> Share | None:
    """Return this process's share of the batch that is learnt; None if it learns all images."""
    return _share.get()


@contextmanager
def sharing(current: Share | None) -> Iterator[None]:
    """Let the layers see the share in the block."""
    before = _share.set(current)
    try:
        yield
    finally:
        _share.reset(before)


def own_rows(images: int, draw: Callable[[int], Tensor]) -> Tensor:
    """Return `draw(images)`, whose rows are images. Of a shared batch, return the own rows of `draw(all images)`."""
    current = share()
    if current is None:
        return draw(images)
    assert images == current.own
    return draw(current.whole)[current.rows]


class SharedDropout(nn.Dropout):
    """A dropout whose masks are those of the whole batch."""

    def forward(self, x: Tensor) -> Tensor:
        if share() is None or not self.training or self.p == 0:
            return super().forward(x)
        return x * own_rows(len(x), lambda n: nn.functional.dropout(x.new_ones(n, *x.shape[1:]), self.p))


class SharedDepth(StochasticDepth):
    """A stochastic depth whose masks are those of the whole batch."""

    def forward(self, x: Tensor) -> Tensor:
        if share() is None or not self.training or self.p == 0 or self.mode != "row":
            return super().forward(x)
        ones = (1,) * (x.ndim - 1)
        return x * own_rows(len(x), lambda n: stochastic_depth(x.new_ones(n, *ones), self.p, self.mode))


def share_draws(module: nn.Module) -> None:
    """Replace the dropouts and stochastic depths among the children of `module` by those of whole batches."""
    for name, child in module.named_children():
        if type(child) is nn.Dropout:
            setattr(module, name, SharedDropout(child.p, child.inplace).train(child.training))
        elif type(child) is StochasticDepth:
            setattr(module, name, SharedDepth(child.p, child.mode).train(child.training))
