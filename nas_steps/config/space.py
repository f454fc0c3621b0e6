"""What is searched, and the skeletons it stands in: the keys `space` and `network`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from nas_steps.config.section import Natural, Section
from nas_steps.errors import known
from nas_steps.spaces.cells.architectures import KINDS
from nas_steps.spaces.cells.operations import OPERATIONS
from nas_steps.spaces.cells.space import PRESETS, CellSpace
from nas_steps.spaces.mobile import space as mobile
from nas_steps.spaces.mobile.presets import DECLARED as MOBILE
from nas_steps.spaces.mobile.space import MobileSpace

OperationsByEdge = list[str] | dict[str, list[str] | list[list[str]]]


#: keys that declare a space of cells, and those of a mobile one
OF_CELLS = ("inputs", "nodes", "edges", "operations", "edges_per_node", "concat", "none_is_choice")
OF_MOBILE = ("stem", "stages", "head")


class Space(Section):
    """A declared space, of cells or mobile: a preset, and what differs from it."""

    preset: str = Field(
        "small",
        description=f"A declared space to start from, of cells: {', '.join(PRESETS)}; or mobile, of stages of MBConv "
        f"blocks: {', '.join(MOBILE)}.",
    )
    inputs: int | None = Field(
        None,
        description="Outputs of earlier cells that lead into a cell: 2, in the skeleton of DARTS, with a normal and a "
        "reduction cell; or 1, in that of NAS-Bench-201, with one `cell`. The preset's when left out.",
    )
    nodes: int | None = Field(None, ge=1, le=8, description="Intermediate nodes of a cell, instead of the preset's.")
    edges: list[list[int]] | None = Field(
        None,
        max_length=8,
        description="For each node the sources that it may read, all that come before it when left out. Sources are "
        "the cell's inputs, then its nodes: with two inputs 2 is the first node, with one it is 1.",
    )
    operations: OperationsByEdge | None = Field(
        None,
        description="The choices on every edge, instead of the preset's; or by kind of cell (`normal` and `reduce`, or "
        "`cell`), each a list for all its edges or a list of lists, one for each edge, node by node. Known: "
        + ", ".join(OPERATIONS)
        + ".",
    )
    edges_per_node: Annotated[int, Field(ge=1, le=8)] | Literal["all"] | None = Field(
        None, description="Input edges that each node keeps, instead of the preset's; `all` keeps every edge."
    )
    concat: list[int] | None = Field(
        None,
        description="The nodes, from 0, that a two-input cell's output concatenates; all when left out. The output of "
        "a one-input cell is its last node.",
    )
    none_is_choice: bool | None = Field(
        None,
        description="Whether an architecture may keep an edge as `none`; when left out, so where all edges are kept.",
    )

    stem: dict[str, Any] | None = Field(
        None,
        description="Of a mobile space, what differs from the preset's: `width`, `kernel`, `stride` and `activation` "
        "of the first convolution.",
    )
    stages: list[dict[str, Any]] | None = Field(
        None,
        description="Of a mobile space, instead of the preset's: for each stage `width`, `depth`, `stride` and "
        "`activation`; `kernel`, `expansion` and `squeeze` (`none`, `se0.25`, `hse0.25`) or `operations` such as "
        "`k3_e6_se0.25` and `id`; `skip` (layers may be left out) and `by` (`layer` or `stage`). A list is what can be "
        "chosen from.",
    )
    head: dict[str, Any] | None = Field(
        None,
        description="Of a mobile space, what differs from the preset's: `width` of the last convolution, `hidden` of a "
        "linear layer behind it, `dropout`.",
    )

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, value: str) -> str:
        return known("preset", value, (*PRESETS, *MOBILE))

    @field_validator("operations", mode="before")
    @classmethod
    def _known_operations(cls, value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, dict):
            return _operations(value, "")
        return {
            known("kind of cell", str(kind), [name for kinds in KINDS.values() for name in kinds]): (
                [_operations(names, f"{kind}, edge {index}: ") for index, names in enumerate(rows)]
                if isinstance(rows, list) and any(isinstance(names, list) for names in rows)
                else _operations(rows, f"{kind}: ")
            )
            for kind, rows in value.items()
        }

    @field_validator("edges_per_node", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return int(value) if isinstance(value, str) and value.isdigit() else value

    @model_validator(mode="after")
    def _builds(self) -> Space:
        others = OF_CELLS if self.mobile else OF_MOBILE
        for key in others:
            if getattr(self, key) is not None:
                kind, presets = ("cells", PRESETS) if self.mobile else ("a mobile space", MOBILE)
                raise ValueError(
                    f"{key} declares {kind}, but preset {self.preset} is {'mobile' if self.mobile else 'of cells'}; "
                    f"leave it out, or start from one of {', '.join(presets)}"
                )
        self.declared()
        return self

    @property
    def mobile(self) -> bool:
        """Whether it is a space of MBConv blocks, which brings its own skeleton."""
        return self.preset in MOBILE

    def declared(self) -> CellSpace | MobileSpace:
        """The space itself, as plain data. Raises ValueError where nothing could be searched in it."""
        return self._declared_mobile() if self.mobile else self.cells()

    def _declared_mobile(self) -> MobileSpace:
        changes = {key: value for key in OF_MOBILE if (value := getattr(self, key)) is not None}
        if not changes:
            return mobile.PRESETS[self.preset]
        preset = MOBILE[self.preset]
        for key in ("stem", "head"):
            changes[key] = {**preset[key], **changes.get(key, {})}
        return MobileSpace.declare(self.preset, {**preset, **changes})

    def cells(self) -> CellSpace:
        """The same of a space of cells. Raises ValueError for a mobile one, and where nothing could be searched."""
        if self.mobile:
            raise ValueError(f"space {self.preset} is mobile; a space of cells is needed: {', '.join(PRESETS)}")
        space = PRESETS[self.preset]
        changes: dict[str, Any] = {"inputs": self.inputs, "nodes": self.nodes, "none_is_choice": self.none_is_choice}
        if self.edges is not None:
            changes["reads"] = tuple(map(tuple, self.edges))
            changes["nodes"] = len(self.edges) if self.nodes is None else self.nodes
        if self.concat is not None:
            changes["concat"] = tuple(self.concat)
        if isinstance(self.operations, list):
            changes["operations"] = tuple(self.operations)
        changes = {key: value for key, value in changes.items() if value is not None}
        if self.edges_per_node is not None:
            changes["edges_per_node"] = None if self.edges_per_node == "all" else self.edges_per_node
        if isinstance(self.operations, dict):
            return _by_edge(space, self.operations, changes)
        return space.replace(**changes)


def _operations(value: Any, where: str) -> list[str]:
    """A list of known operations. Raises ValueError."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(
            f"{where}given {value!r}; a list of operations is expected, such as [skip_connect, nor_conv_3x3], or by "
            "kind of cell such lists or lists of them"
        )
    for name in value:
        try:
            known("operation", name, OPERATIONS)
        except ValueError as error:
            raise ValueError(f"{where}{error}") from None
    return value


def _by_edge(space: CellSpace, operations: Mapping[str, Any], changes: dict[str, Any]) -> CellSpace:
    """The space with operations of each kind: a list for each edge, or one that is every edge's."""
    rows = {kind: tuple(tuple(names) for names in given) for kind, given in operations.items() if _nested(given)}
    flat = {kind: tuple(given) for kind, given in operations.items() if not _nested(given)}
    # which edges there are is known when the space is; any operations will do for that
    edges = len(space.replace(**changes, operations=tuple(OPERATIONS)).edges())
    rows |= {kind: (names,) * edges for kind, names in flat.items()}
    return space.replace(**changes, by_edge=rows)


def _nested(given: Sequence[Any]) -> bool:
    return any(isinstance(names, list) for names in given)


class Network(Section):
    """The skeleton that cells are stacked in (Liu et al. 2019, section 2.1; Dong & Yang 2020, section 2.1)."""

    channels: int = Field(8, ge=1, le=512, description="Channels of the first cell's nodes, doubled at each reduction.")
    cells: int = Field(
        3,
        ge=1,
        le=100,
        description="How many cells are stacked, at least 3 unless `reductions` says which halve the side. Of "
        "one-input cells (NAS-Bench-201): how many in each of the three stages.",
    )
    stem_multiplier: int = Field(
        3,
        ge=1,
        le=16,
        description="The stem has `stem_multiplier * channels` channels. That of one-input cells has `channels`.",
    )
    reductions: list[Natural] | None = Field(
        None,
        description="The cells, from 0, that halve the side and double the channels; when left out those at 1/3 and "
        "2/3 of the depth. One-input cells have two reductions between their stages and no such list.",
    )

    @model_validator(mode="after")
    def _some_of_each_kind(self) -> Network:
        given = self.reductions
        if given is None:
            return self
        if not given or len(set(given)) < len(given) or max(given) >= self.cells:
            raise ValueError(
                f"reductions is {given}; it must name one or more of the cells 0 to {self.cells - 1}, each once"
            )
        if len(given) == self.cells:
            raise ValueError(f"reductions names all {self.cells} cells; leave at least one to be a normal cell")
        return self

    def check(self, space: CellSpace, where: str) -> None:
        """Raise ValueError where cells of `space` cannot be stacked so; `where` is the key of this network."""
        if space.inputs == 1 and self.reductions is not None:
            raise ValueError(
                f"{where}.reductions is {self.reductions}, but the one-input cells of space {space.name} stand in "
                "three stages; leave it out"
            )
        if space.inputs == 2 and self.reductions is None and self.cells < 3:
            raise ValueError(
                f"{where}.cells is {self.cells}; two-input cells are stacked 3 or more, or {where}.reductions says "
                "which of them halve the side"
            )
