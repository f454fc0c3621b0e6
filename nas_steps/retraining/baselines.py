"""Make hand-designed networks of the size that a name or a budget says. Loads torch only to count those for images."""

from pathlib import Path

from nas_steps.data.sizes import sizes_of
from nas_steps.retraining.fitting import Constraints, measure, refuse_larger, widest
from nas_steps.spaces.baselines import to_be_fitted
from nas_steps.spaces.language.sizing import check_within, fitted, sized
from nas_steps.spaces.language.space import LanguageSpace


class HandDesigned:
    """Networks for the prepared images in the folder `data`, by their names."""

    def __init__(self, data: str | Path) -> None:
        shape = sizes_of(data).shape
        self.counted = measure(shape.inputs, shape.classes, shape.side)

    def within(self, name: str, constraints: Constraints) -> str:
        """Return a network of fixed width. Raises UserError if it is above the budget."""
        refuse_larger([name], constraints, self.counted)
        return name

    def fitted(self, name: str, constraints: Constraints) -> str:
        """Return the widest network within the budget. Raises UserError if none is."""
        return widest(to_be_fitted(name) or name, constraints, self.counted)


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
