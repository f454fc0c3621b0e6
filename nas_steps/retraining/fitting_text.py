"""Spell out hand-designed language models, of the size that their name or a budget says. Loads no torch."""

from pathlib import Path

from nas_steps.data.sizes import sizes_of
from nas_steps.retraining.fitting import Constraints
from nas_steps.spaces.language.sizing import check_within, fitted, sized
from nas_steps.spaces.language.space import LanguageSpace


class LanguageBaselines:
    """Hand-designed language models for the tokens of `space` and the contexts of the prepared text in `data`."""

    def __init__(self, space: LanguageSpace, data: str | Path) -> None:
        self.space, self.context = space, sizes_of(data).shape.side

    def sized(self, name: str) -> str:
        """Return the network of a name with its size."""
        return str(sized(name, self.space, self.context))

    def within(self, name: str, constraints: Constraints) -> str:
        """Return the network of a name with its size. Raises UserError if it is above the budget."""
        found = sized(name, self.space, self.context)
        check_within(name, found, self.context, constraints.macs, constraints.parameters)
        return str(found)

    def fitted(self, name: str, constraints: Constraints) -> str:
        """Return the network that is nearest to the budget. Raises UserError if even the narrowest is above it."""
        return str(fitted(name, self.space, self.context, macs=constraints.macs, parameters=constraints.parameters))
