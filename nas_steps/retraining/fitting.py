"""Fit the width of hand-designed networks to a budget. Loads torch only to count."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nas_steps.errors import UserError
from nas_steps.spaces.baselines import parse_baseline

#: (parameters, macs) of the network that a string names
Measure = Callable[[str], tuple[int, int]]

#: width factors are whole hundredths, up to the largest that a name can have
HUNDREDTHS = 800


@dataclass(frozen=True)
class Constraints:
    """The largest allowed network: MACs of one image's forward pass, and parameters; None for no constraint."""

    macs: float | None = None
    parameters: float | None = None

    def holds(self, parameters: int, macs: int) -> bool:
        return (self.macs is None or macs <= self.macs) and (self.parameters is None or parameters <= self.parameters)

    def __str__(self) -> str:
        bounds = ((self.macs, "MACs"), (self.parameters, "parameters"))
        return " and ".join(f"{value:,}".removesuffix(".0") + f" {what}" for value, what in bounds if value)


def measure(inputs: int, classes: int, side: int) -> Measure:
    """Return a function that counts hand-designed networks for images of (inputs, side, side)."""
    from nas_steps.models.count import count
    from nas_steps.models.hand_designed import build_baseline

    def counted(name: str) -> tuple[int, int]:
        size = count(lambda: build_baseline(name, inputs=inputs, classes=classes, side=side), inputs=inputs, side=side)
        return size.parameters, size.macs

    return counted


def with_width(base: str, width: float) -> str:
    """Name a baseline by its width, also if that is 1: `mobilenet_v2_x0.37_r96` of `mobilenet_v2_r96`."""
    side = parse_baseline(base).side
    suffix = f"_r{side}" if side else ""
    return f"{base.removesuffix(suffix)}_x{width:g}{suffix}"


def widest(base: str, constraints: Constraints, counted: Measure) -> str:
    """Give `base` the largest width within the constraints: `mobilenet_v2_x0.37`. Raises UserError if none is."""

    def name(hundredths: int) -> str:
        return with_width(base, hundredths / 100)

    low, high = 1, HUNDREDTHS
    if not constraints.holds(*(least := counted(name(low)))):
        raise UserError(
            f"retrain.baselines: {base}_auto is to be within {constraints}, but even its narrowest network, "
            f"{name(low)}, has {least[1]:,} MACs and {least[0]:,} parameters; raise the budget, or take another network"
        )
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if constraints.holds(*counted(name(middle))) else (low, middle - 1)
    return name(low)


def refuse_larger(names: Sequence[str], constraints: Constraints, counted: Measure) -> None:
    """Raise UserError if networks of fixed width are larger than the budget: all in one message."""
    larger = [(name, counted(name)) for name in names if not constraints.holds(*counted(name))]
    if larger:
        sizes = "; ".join(
            f"{name} has {macs:,} MACs and {parameters:,} parameters" for name, (parameters, macs) in larger
        )
        raise UserError(
            f"retrain.baselines: the budget is {constraints}, but {sizes}; raise retrain.budget, or let the width be "
            f"fitted to it by the name {parse_baseline(names[0])._replace(width=1.0, depth=1.0)}_auto"
        )
