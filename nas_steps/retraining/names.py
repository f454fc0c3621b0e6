"""The names of entries that no config lists. Loads neither NumPy nor torch."""

from collections.abc import Sequence

from nas_steps.facts import FROM_NOTHING, PRETRAINED, PROBE


def rival_names(sides: Sequence[int]) -> dict[str, str]:
    """Return the rivals by name with their kinds: the pretrained network at each side in pixels, and the others.

    Without sides it is trained at that of the images.
    """
    names = [f"{PRETRAINED}_r{side}" for side in sorted(sides, reverse=True)]
    return dict.fromkeys([*(names or [PRETRAINED]), PROBE], "pretrained") | {FROM_NOTHING: "from_nothing"}
