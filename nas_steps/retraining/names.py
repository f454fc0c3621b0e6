"""The names of entries that no config lists. Loads neither NumPy nor torch."""

from collections.abc import Sequence

from nas_steps.facts import FROM_NOTHING, PROBE


def rival_names(sides: Sequence[int]) -> dict[str, str]:
    """Return the rivals by name with their kinds: the pretrained network at each side in pixels, and the others."""
    names = [f"pretrained_r{side}" for side in sorted(sides, reverse=True)]
    return dict.fromkeys([*names, PROBE], "pretrained") | {FROM_NOTHING: "from_nothing"}
