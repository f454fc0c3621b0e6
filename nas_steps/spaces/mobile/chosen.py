"""What an architecture takes of a stage's choices."""

from typing import Any, NamedTuple

from nas_steps.spaces.mobile.architectures import Block
from nas_steps.spaces.mobile.declarations import Place, Stage


class Chosen(NamedTuple):
    """One stage of an architecture. `operations` has an entry for each layer, or one if the stage chooses for all."""

    depth: int
    width: int
    stride: int
    activation: str
    operations: tuple[Place, ...]


def changed(stage: Stage, now: Chosen, setting: str, value: Any) -> Chosen:
    """Change a setting; added layers repeat the last one."""
    if setting != "depth":
        return now._replace(**{setting: value})
    layers = stage.layers(value)
    longer = now.operations + now.operations[-1:] * max(0, layers - len(now.operations))
    return now._replace(depth=value, operations=longer[:layers])


def blocks(chosen: Chosen) -> tuple[Block, ...]:
    """Make the layers of a stage."""
    operations = chosen.operations * (chosen.depth if len(chosen.operations) < chosen.depth else 1)
    return tuple(
        Block(chosen.width, chosen.stride if layer == 0 else 1, one, "" if one is None else chosen.activation)
        for layer, one in enumerate(operations)
    )
