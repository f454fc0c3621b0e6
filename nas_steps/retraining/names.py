"""The names of entries: those that no config lists, and baselines. Loads neither NumPy nor torch."""

from collections.abc import Sequence

from nas_steps.facts import FROM_NOTHING, PRETRAINED, PROBE
from nas_steps.spaces.baselines import to_be_fitted
from nas_steps.spaces.language.sizing import is_named, parse_named


def rival_names(sides: Sequence[int]) -> dict[str, str]:
    """Return the rivals by name with their kinds: the pretrained network at each side in pixels, and the others.

    Without sides it is trained at that of the images.
    """
    names = [f"{PRETRAINED}_r{side}" for side in sorted(sides, reverse=True)]
    return dict.fromkeys([*(names or [PRETRAINED]), PROBE], "pretrained") | {FROM_NOTHING: "from_nothing"}


def takes_a_budget(entry: str) -> bool:
    """Return whether a baseline takes its size from a budget; False for other entries' names."""
    if is_named(entry):
        return parse_named(entry).is_fitted
    return to_be_fitted(entry) is not None
