"""Build a space from the keys of the config's section `space`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.mobile.space import MobileSpace

#: keys of the section for a space of cells and for a mobile one
OF_CELLS = ("inputs", "nodes", "edges", "operations", "edges_per_node", "concat", "none_is_choice")
OF_MOBILE = ("stem", "stages", "head")


def declared(keys: Any) -> CellSpace | MobileSpace:
    """Build the space of a section `space` whose keys are filled in from its preset (`nas_steps.config.space.filled`).

    Raises ValueError if the space leaves nothing to search, or if the section is not filled.
    """
    given = {key: value for key in (*OF_CELLS, *OF_MOBILE) if (value := getattr(keys, key)) is not None}
    if given.keys() == set(OF_MOBILE):
        return MobileSpace.declare(keys.preset, given)
    if {"inputs", "nodes", "operations", "edges_per_node"} <= given.keys():
        return cell_space(keys.preset, **given)
    raise ValueError(f"space {keys.preset} is not filled: it takes keys from its preset")


def declared_cells(keys: Any) -> CellSpace:
    """Build the same if it has cells. Raises TypeError for a mobile space."""
    space = declared(keys)
    if not isinstance(space, CellSpace):
        raise TypeError(f"space {space.name} is mobile; a space of cells is needed")
    return space


def cell_space(
    name: str,
    *,
    operations: Sequence[str] | Mapping[str, Sequence[Any]],
    nodes: int,
    inputs: int = 2,
    edges: Sequence[Sequence[int]] | None = None,
    edges_per_node: int | str = 2,
    concat: Sequence[int] | None = None,
    none_is_choice: bool | None = None,
) -> CellSpace:
    """Build a space of cells. Of `operations` by kind, each is one list for all edges or a list for each edge."""
    by_edge = None
    if isinstance(operations, Mapping):
        count = sum(inputs + node for node in range(nodes)) if edges is None else sum(map(len, edges))
        by_edge = {
            kind: tuple(map(tuple, rows if any(isinstance(row, list) for row in rows) else [rows] * count))
            for kind, rows in operations.items()
        }
    return CellSpace(
        name,
        operations=() if by_edge else tuple(operations),
        nodes=nodes,
        edges_per_node=None if edges_per_node == "all" else int(edges_per_node),
        inputs=inputs,
        reads=None if edges is None else tuple(map(tuple, edges)),  # type: ignore[arg-type]
        by_edge=by_edge,
        concat=None if concat is None else tuple(concat),  # type: ignore[arg-type]
        none_is_choice=none_is_choice,  # type: ignore[arg-type]
    )
