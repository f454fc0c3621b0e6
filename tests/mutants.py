"""All architectures that one mutation can lead to: what `mutate` of a space is compared with."""

from __future__ import annotations

from typing import Any

from nas_steps.spaces.cells.space import CellSpace


def neighbours(space: Any, architecture: Any) -> list[Any]:
    """All architectures of a space that are one mutation away, each once."""
    if isinstance(space, CellSpace):
        return [
            space._changed(architecture, kind, node, position, other)
            for kind, node, position, others in space._sites(architecture)
            for other in others
        ]
    return [
        space._changed(architecture, site, other) for site, others in space._mutations(architecture) for other in others
    ]
