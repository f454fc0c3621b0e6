"""What the training of a supernet needs to know of a space: its independent choices, and its extremes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.mobile.architectures import MobileArchitecture
from nas_steps.spaces.mobile.declarations import Place, Stage
from nas_steps.spaces.mobile.space import FACTORS, SETTINGS, Chosen, MobileSpace
from nas_steps.spaces.protocol import Architecture


@dataclass(frozen=True)
class Sites:
    """The places where an architecture chooses, each independently of the others: `counts` are how many choices each
    has, `made` makes the architecture of one index a place.

    A layer that its stage's depth leaves out chooses all the same; its choice then makes no difference.
    """

    counts: tuple[int, ...]
    made: Callable[[Sequence[int]], Architecture]


def sites(space: Any) -> Sites:
    """The places of `space`: of a mobile space what each stage and each layer can be (one choice a layer: kernel,
    expansion and squeeze-excitation together), of cells what each edge can be. Raises ValueError for cells whose nodes
    choose their edges too: which operations are computed then depends on that."""
    if isinstance(space, MobileSpace):
        return _mobile_sites(space)
    assert isinstance(space, CellSpace)
    if space.edges_per_node is not None:
        raise ValueError(
            f"the nodes of space {space.name} choose which edges they keep, so that no set of architectures has every "
            "operation of every edge once; keep all edges (space.edges_per_node: all)"
        )
    counts: list[int] = []
    # what can be chosen on an edge does not depend on the edges before
    allowed: list[tuple[int, ...]] = []
    prefix: list[int] = []
    while (decision := space.decision(prefix)) is not None:
        counts.append(len(decision.allowed))
        allowed.append(decision.allowed)
        prefix.append(decision.allowed[0])
    return Sites(
        tuple(counts),
        lambda indices: space.decode([options[index] for options, index in zip(allowed, indices, strict=True)]),
    )


def smallest(space: Any) -> Architecture:
    """The architecture of a mobile space with the least of everything. Raises ValueError where there is none."""
    return _extreme(space, largest=False)


def largest(space: Any, *, strict: bool = True) -> Architecture:
    """The architecture of a mobile space with the most of everything: depth, width, kernel, expansion and
    squeeze-excitation of each layer, the finest stride. Where no choice of a layer has the most of all, raises
    ValueError; unless `strict`, then the largest kernel goes first, of these the largest expansion."""
    return _extreme(space, largest=True, strict=strict)


def _mobile_sites(space: MobileSpace) -> Sites:
    counts = []
    for stage in space.stages:
        counts += [len(getattr(stage, setting)) for setting in SETTINGS]
        counts += [len(stage.places(layer)) for layer in range(stage.layers(max(stage.depth)))]

    def made(indices: Sequence[int]) -> MobileArchitecture:
        left = iter(indices)
        found = []
        for stage in space.stages:
            depth, width, stride, activation = (getattr(stage, setting)[next(left)] for setting in SETTINGS)
            places = [stage.places(layer)[next(left)] for layer in range(stage.layers(max(stage.depth)))]
            found.append(Chosen(depth, width, stride, activation, tuple(places[: stage.layers(depth)])))
        return space.made(found)

    return Sites(tuple(counts), made)


def _extreme(space: Any, *, largest: bool, strict: bool = True) -> MobileArchitecture:
    if not isinstance(space, MobileSpace):
        raise ValueError(f"space {space.name} has cells, of which none is the largest or the smallest")
    chosen = []
    for number, stage in enumerate(space.stages):
        most = max if largest else min
        depth = most(stage.depth)
        places = tuple(
            _extreme_place(stage, layer, f"layer {layer + 1} of stage {number + 1}", largest=largest, strict=strict)
            for layer in range(stage.layers(depth))
        )
        # a finer stride is a larger network
        stride = min(stage.stride) if largest else max(stage.stride)
        chosen.append(Chosen(depth, most(stage.width), stride, stage.activation[0], places))
    return space.made(chosen)


def _extreme_place(stage: Stage, layer: int, where: str, *, largest: bool, strict: bool) -> Place:
    """Of what a layer can be, the one that has at least (at most) as much of each factor as any other."""
    sizes = {place: _size(place) for place in stage.places(layer)}
    most = max if largest else min
    bounds = tuple(most(size[factor] for size in sizes.values()) for factor in range(len(FACTORS)))
    for place, size in sizes.items():
        if size == bounds:
            return place
    if not strict:
        return most(sizes, key=lambda place: sizes[place])
    raise ValueError(
        f"{where} has no {'largest' if largest else 'smallest'} choice: none of "
        f"{', '.join('id' if place is None else str(place) for place in sizes)} has the "
        f"{'most' if largest else 'least'} of kernel, expansion and squeeze-excitation"
    )


def _size(place: Place) -> tuple[float, float, tuple[bool, float]]:
    """By what layers are compared: kernel, expansion, squeeze-excitation (hse is a share of more channels)."""
    if place is None:
        return 0, 0, (False, 0)
    hard = place.squeeze.startswith("hse")
    share = place.squeeze.removeprefix("hse" if hard else "se")
    return place.kernel, place.expansion, (hard, float(share or 0))
