"""The smallest and the largest choice of a layer."""

from nas_steps.spaces.mobile.architectures import operation_name
from nas_steps.spaces.mobile.declarations import FACTORS, Place, Stage


def extreme_place(stage: Stage, layer: int, where: str, *, largest: bool, strict: bool) -> Place:
    """Return a layer's choice with at least (at most) as much of each factor as any other."""
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
        f"{', '.join(map(operation_name, sizes))} has the "
        f"{'most' if largest else 'least'} of kernel, expansion and squeeze-excitation"
    )


def _size(place: Place) -> tuple[float, float, tuple[bool, float]]:
    """Return kernel, expansion and squeeze-excitation to compare; hse is a share of more channels."""
    if place is None:
        return 0, 0, (False, 0)
    hard = place.squeeze.startswith("hse")
    share = place.squeeze.removeprefix("hse" if hard else "se")
    return place.kernel, place.expansion, (hard, float(share or 0))
