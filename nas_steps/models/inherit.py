"""Start a larger network from a smaller one's weights."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas_steps.models.cells.networks import CellNetwork, OneInputCell, StagedNetwork
from nas_steps.models.mobile.network import MobileNetwork

#: a block's stage, its kind (another one if it shrinks the side) and its number in the stage
Place = tuple[int, str, int]


@dataclass(frozen=True)
class Inherited:
    """The numbers of tensors that were copied whole, in part (overlapping channels), or left as they were."""

    whole: int
    partly: int
    fresh: int


def inherit(larger: nn.Module, smaller: nn.Module) -> Inherited:
    """Copy the weights of `smaller`, the same architecture scaled less, into `larger`, in place.

    Each tensor takes the leading channels that both have. A block is copied to its place in its stage, the last of a
    stage also to all added behind it. Unlike Net2Net (Chen et al. 2016), this does not keep the computed function.
    """
    source = smaller.state_dict()
    have, want = blocks(smaller), blocks(larger)
    by_place = {place: prefix for prefix, place in have.items()}
    last: dict[tuple[int, str], int] = {}
    for stage, kind, number in have.values():
        last[stage, kind] = max(number, last.get((stage, kind), 0))
    counts = {"whole": 0, "partly": 0, "fresh": 0}
    with torch.no_grad():
        for name, target in larger.state_dict().items():
            prefix = next((one for one in want if name.startswith(one)), None)
            origin: str | None = name
            if prefix is not None:
                stage, kind, number = want[prefix]
                place = (stage, kind, min(number, last.get((stage, kind), 0)))
                origin = by_place[place] + name.removeprefix(prefix) if place in by_place else None
            counts[_copied(target, source.get(origin or ""))] += 1
    return Inherited(**counts)


def blocks(network: nn.Module) -> dict[str, Place]:
    """Map the prefix of each block's tensors to its place; return {} for a hand-designed network."""
    if isinstance(network, MobileNetwork):
        stages = list(network.features.children())[1:-1]
        return {
            f"features.{stage}.{number}.": (stage, "block", number)
            for stage, parts in enumerate(stages, start=1)
            for number in range(len(list(parts.children())))
        }
    if not isinstance(network, CellNetwork | StagedNetwork):
        return {}
    found: dict[str, Place] = {}
    stage = number = channels = 0
    for index, cell in enumerate(network.cells):
        if isinstance(network, StagedNetwork):
            shrinks = not isinstance(cell, OneInputCell)
        else:
            now = cell.outputs // len(cell.concat)  # type: ignore[operator, arg-type]
            shrinks, channels = index > 0 and now > channels, now
        if shrinks:
            stage, number = stage + 1, 0
        found[f"cells.{index}."] = (stage, "reduction" if shrinks else "normal", 0 if shrinks else number)
        number += not shrinks
    return found


def _copied(target: Tensor, source: Tensor | None) -> str:
    """Copy the overlap; return the field of `Inherited` to count it in."""
    if source is None or source.ndim != target.ndim:
        return "fresh"
    shared = tuple(slice(0, min(sizes)) for sizes in zip(target.shape, source.shape, strict=True))
    target[shared] = source[shared]
    return "whole" if source.shape == target.shape else "partly"
