"""Widen the mixed channels of a supernet, whose operations go on from what they have learnt.

Partial channels (Xu et al. 2020, section 3.1) with a smaller K mix more of a cell's channels. As in the progressive
search of DrNAS (Chen et al. 2021, section 3.3), new channels are copies of learnt ones (Net2Net: Chen et al. 2016)."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nas_steps.models.cells.mixed_cell import EdgeGroup, MixedCell
from nas_steps.models.cells.supernet import Supernet


class Widened(NamedTuple):
    """A parameter, its wider successor, and what widens a tensor of its shape, such as a momentum."""

    old: nn.Parameter
    new: nn.Parameter
    widen: Callable[[Tensor], Tensor]


def widen(supernet: Supernet, k: int, seed: int) -> list[Widened]:
    """Let the operations of `supernet` see 1/k of the channels instead of fewer; return the parameters that grew.

    Weights and running statistics of new channels are those of learnt channels, drawn by `seed`. As in the authors'
    code, what reads copied channels is not divided among them: the batch norms behind bring the scale back. Raises
    ValueError if k leaves fewer channels than there were."""
    found: list[Widened] = []
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for cell in supernet.cells:
            if isinstance(cell, MixedCell):
                found += _widen_cell(cell, k, generator)
    return found


def _widen_cell(cell: MixedCell, k: int, generator: torch.Generator) -> Iterator[Widened]:
    before, after = cell.mixed, cell.channels // k
    if after < before:
        raise ValueError(f"K of {k} mixes {after} channels of {cell.channels}, fewer than the {before} before")
    cell.k, cell.mixed = k, after
    for place, old in enumerate(cell.stages):
        assert isinstance(old, EdgeGroup)
        some = next(iter(cell.parameters()))
        new = EdgeGroup(cell.space, cell.kind, old.sources, after, old.stride).train(old.training)
        new.to(some.device, some.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        for name, operation in [*old.operations.items(), *old.pools.items()]:
            successor = new.operations[name] if name in old.operations else new.pools[name]
            edges = len(old.edges_of[name]) if name in old.operations else 1
            yield from _copied(operation, successor, edges, generator)
        cell.stages[place] = new


def _copied(old: nn.Module, new: nn.Module, edges: int, generator: torch.Generator) -> Iterator[Widened]:
    """Copy the tensors of an operation into its successor. Axes of one size get the same new channels."""
    drawn: dict[tuple[int, int], Tensor] = {}

    def channels(before: int, after: int) -> Tensor:
        if (before, after) not in drawn:
            copies = torch.randint(before, (after - before,), generator=generator)
            drawn[before, after] = torch.cat([torch.arange(before), copies])
        return drawn[before, after]

    def widening(shape: torch.Size) -> Callable[[Tensor], Tensor]:
        def widened(tensor: Tensor) -> Tensor:
            if tensor.shape == shape:
                return tensor.clone()
            # the first axis is that of the edges, or of the channels of all edges
            apart = tensor.shape[0] != shape[0]
            view = tensor.unflatten(0, (edges, -1)) if apart else tensor
            wanted = (edges, shape[0] // edges, *shape[1:]) if apart else tuple(shape)
            for axis, (before, after) in enumerate(zip(view.shape, wanted, strict=True)):
                if before != after:
                    view = view.index_select(axis, channels(before, after).to(view.device))
            return view.reshape(shape)

        return widened

    parameters = dict(old.named_parameters())
    learnt = old.state_dict(keep_vars=True)
    with torch.no_grad():
        for name, tensor in new.state_dict(keep_vars=True).items():
            if name in learnt:  # half of one channel, of a skip connection that halves the side, has no tensor
                grow = widening(tensor.shape)
                tensor.copy_(grow(learnt[name]))
                if name in parameters:
                    yield Widened(parameters[name], tensor, grow)
