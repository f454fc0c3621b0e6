"""Whether a network keeps the constraints of the searches. Loads no torch."""

from __future__ import annotations

from pathlib import Path

from nas_steps.errors import UserError
from nas_steps.spaces.constraints import constrained_space, given
from nas_steps.spaces.costs import Costs
from nas_steps.spaces.declare import declared
from nas_steps.training.settings import TrainingSettings


def keeps(
    architecture: str,
    settings: TrainingSettings,
    blocks: str | Path | None,
    parameters: int | None = None,
    macs: int | None = None,
) -> str | None:
    """Return `kept`, `broken` or `unknown`; None if there are no constraints.

    A network of the space is judged by `blocks`, the table of its blocks' costs. Another one is judged by its numbers
    of `parameters` and `macs`; its latency and memory are unknown.
    """
    limits = given(settings.constraints)
    if not limits:
        return None
    space = constrained_space(declared(settings.space), settings.constraints, blocks)
    try:
        return "kept" if space.admits(space.parse(architecture)) else "broken"  # type: ignore[attr-defined]
    except UserError:
        pass  # it is no network of the space
    file_mb = None if parameters is None else Costs(parameters, macs or 0).file_mb
    counted = {"parameters": parameters, "macs": macs, "file_mb": file_mb}
    known = {what: value for what, value in counted.items() if value is not None and what in limits}
    if any(value > limits[what] for what, value in known.items()):
        return "broken"
    return "kept" if set(known) == set(limits) else "unknown"
