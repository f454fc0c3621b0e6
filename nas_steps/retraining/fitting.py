"""Hand-designed networks as wide as a budget allows. Loads torch only to count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nas_steps.errors import UserError
from nas_steps.spaces.baselines import parse_baseline

#: (parameters, macs) of the network that a string names
Measure = Callable[[str], tuple[int, int]]

#: width factors are whole hundredths, up to the largest that a name can have
HUNDREDTHS = 800


def spelled(limit: float) -> str:
    """`1,234,567`, with the digits behind the point where there are some."""
    return f"{limit:,}".removesuffix(".0")


@dataclass(frozen=True)
class Constraints:
    """The largest network that is allowed: MACs of one image's forward pass, and parameters; None for no limit."""

    macs: float | None = None
    parameters: float | None = None

    def holds(self, parameters: int, macs: int) -> bool:
        return (self.macs is None or macs <= self.macs) and (self.parameters is None or parameters <= self.parameters)

    def __str__(self) -> str:
        parts = ((self.macs, "MACs"), (self.parameters, "parameters"))
        return " and ".join(f"{spelled(value)} {what}" for value, what in parts if value)


def measure(inputs: int, classes: int, side: int) -> Measure:
    """A function that counts hand-designed networks for images of (inputs, side, side)."""
    from nas_steps.models.baselines import build_baseline
    from nas_steps.models.count import count

    def counted(name: str) -> tuple[int, int]:
        found = count(lambda: build_baseline(name, inputs=inputs, classes=classes, side=side), inputs=inputs, side=side)
        return found.parameters, found.macs

    return counted


def widest(base: str, constraints: Constraints, counted: Measure) -> str:
    """`base` with the largest width factor, in hundredths, whose network is within `limits`: `mobilenet_v2_x0.37`.

    By bisection: channels are rounded, but never fall when the factor rises, so that neither do MACs and parameters.
    Raises UserError where even the narrowest network is too large.
    """

    def name(hundredths: int) -> str:
        return f"{base}_x{hundredths / 100:g}"

    low, high = 1, HUNDREDTHS
    if not constraints.holds(*(least := counted(name(low)))):
        raise UserError(
            f"retrain.baselines: {base}_auto is to be within {constraints}, but even its narrowest "
            f"network, {name(low)}, "
            f"has {least[1]:,} MACs and {least[0]:,} parameters; raise the budget, or take another network"
        )
    while low < high:
        middle = (low + high + 1) // 2
        if constraints.holds(*counted(name(middle))):
            low = middle
        else:
            high = middle - 1
    return name(low)


def refuse_larger(names: Sequence[str], constraints: Constraints, counted: Measure) -> None:
    """Raise UserError where networks that are not to be fitted are larger than the budget: all in one message."""
    told = []
    for name in names:
        parameters, macs = counted(name)
        if not constraints.holds(parameters, macs):
            told.append(f"{name} has {macs:,} MACs and {parameters:,} parameters")
    if told:
        raise UserError(
            f"retrain.baselines: the budget is {constraints}, but {'; '.join(told)}; raise "
            f"retrain.budget, or let the width "
            f"be fitted to it by the name {parse_baseline(names[0]).base}_auto"
        )
