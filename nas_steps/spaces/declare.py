"""Build a space from the keys of the config's section `space`."""

from collections.abc import Mapping
from typing import Any

from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.language.declarations import KEYS
from nas_steps.spaces.language.space import LanguageSpace
from nas_steps.spaces.mobile.space import MobileSpace

#: keys of the section for a space of cells, for a mobile one, and for one of language models
OF_CELLS = ("inputs", "nodes", "edges", "operations", "edges_per_node", "concat", "none_is_choice")
OF_MOBILE = ("stem", "stages", "head", "resolution")
OF_LANGUAGE = KEYS


def declared(keys: Any) -> CellSpace | MobileSpace | LanguageSpace:
    """Build the space of a section that `nas_steps.config.space.filled` filled. Raises ValueError."""
    every = (*OF_CELLS, *OF_MOBILE, *OF_LANGUAGE)
    given = {key: value for key in every if (value := getattr(keys, key, None)) is not None}
    if {"vocabulary", "mixer", "feed_forward"} <= given.keys():
        return LanguageSpace.declare(keys.preset, given)
    if {"stem", "stages", "head"} <= given.keys():
        return MobileSpace.declare(keys.preset, given)
    if {"inputs", "nodes", "operations", "edges_per_node"} <= given.keys():
        return cell_space(keys.preset, **given)
    raise ValueError(f"space {keys.preset} is not filled: it takes keys from its preset")


def declared_on_images(keys: Any) -> CellSpace | MobileSpace:
    """Build the same if its networks take images. Raises TypeError for a space of language models."""
    space = declared(keys)
    if isinstance(space, LanguageSpace):
        raise TypeError(f"space {space.name} is of language models; one of networks for images is needed")
    return space


def declared_cells(keys: Any) -> CellSpace:
    """Build the same if it has cells. Raises TypeError for a mobile space."""
    space = declared(keys)
    if not isinstance(space, CellSpace):
        kind = "mobile" if isinstance(space, MobileSpace) else "of language models"
        raise TypeError(f"space {space.name} is {kind}; a space of cells is needed")
    return space


def cell_space(
    name: str, *, operations: Any, nodes: int, inputs: int = 2, edges: Any = None, edges_per_node: Any = 2, **more: Any
) -> CellSpace:
    """Build a space of cells; `operations` are a list or, by kind, one for all edges or one for each edge."""
    by_edge = None
    if isinstance(operations, Mapping):
        count = sum(inputs + node for node in range(nodes)) if edges is None else sum(map(len, edges))
        by_edge = {
            kind: tuple(map(tuple, rows if any(isinstance(row, list) for row in rows) else [rows] * count))
            for kind, rows in operations.items()
        }
    per_node = None if edges_per_node == "all" else int(edges_per_node)
    reads: Any = None if edges is None else tuple(map(tuple, edges))
    names = () if by_edge else tuple(operations)
    return CellSpace(name, names, nodes, per_node, inputs, reads, by_edge, **more)
