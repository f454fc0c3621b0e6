"""Spell out hand-designed language models, of the size that their name or a budget says. Loads no torch."""

from pathlib import Path

from nas_steps.data.sizes import sizes_of
from nas_steps.errors import UserError
from nas_steps.retraining.fitting import Constraints
from nas_steps.spaces.language.costs import count_architecture
from nas_steps.spaces.language.parsing import parse_language
from nas_steps.spaces.language.sizing import fitted, parse_named, sized
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
        found = self.sized(name)
        parameters, macs = count_architecture(parse_language(found), self.context)
        if not constraints.holds(parameters, macs):
            raise UserError(
                f"retrain.baselines: the budget is {constraints}, but {name} has {macs:,} MACs and {parameters:,} "
                f"parameters; raise retrain.budget, or let the size be fitted by the name {parse_named(name).base}"
            )
        return found

    def fitted(self, name: str, constraints: Constraints) -> str:
        """Return the network that is nearest to the budget. Raises UserError if even the narrowest is above it."""
        return str(fitted(name, self.space, self.context, macs=constraints.macs, parameters=constraints.parameters))
