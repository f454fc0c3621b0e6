"""What each objective of a strategy costs, to be minimised."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from nas_steps.errors import UserError
from nas_steps.estimation.estimates import Estimate
from nas_steps.spaces.constraints import Limited
from nas_steps.spaces.protocol import Architecture, Space

#: objectives that every evaluation has, and one that is predicted from blocks
COUNTED, LATENCY = ("macs", "parameters"), "latency"


@runtime_checkable
class Priced(Protocol):
    """A space that knows further costs by name, such as the columns of a benchmark's table."""

    def cost(self, name: str, architecture: Architecture) -> float: ...


def check_objectives(space: Space, names: Iterable[str]) -> None:
    """Refuse objectives that are not known in a space. Raises UserError."""
    for name in names:
        if name == LATENCY and not (isinstance(space, Limited) and space.table.has_latency):
            unknown = f"objective latency: the latencies of the blocks of space {space.name} were not measured"
            raise UserError(f"{unknown}; name by --blocks a blocks.csv with latencies")
        if name not in (*COUNTED, LATENCY) and not isinstance(space, Priced):
            raise UserError(
                f"objective {name}: only a benchmark's table has further columns; choose macs, parameters or latency"
            )


def foreseen(space: Space, architecture: Architecture, name: str) -> float:
    """Return one objective of an architecture before it is evaluated. Raises UserError if it cannot be known."""
    if name not in (*COUNTED, LATENCY):
        assert isinstance(space, Priced)
        return space.cost(name, architecture)
    if not isinstance(space, Limited):
        raise UserError(f"objective {name}: the costs of the blocks of space {space.name} are unknown; name --blocks")
    return float(getattr(space.costs(architecture), "latency_ms" if name == LATENCY else name))


def cost_of(space: Space, architecture: Architecture, estimate: Estimate, name: str) -> float:
    """Return one objective of an evaluated architecture."""
    if name in COUNTED:
        return float(getattr(estimate, name))
    if name == LATENCY:
        assert isinstance(space, Limited)
        return space.costs(architecture).latency_ms
    assert isinstance(space, Priced)
    return space.cost(name, architecture)
