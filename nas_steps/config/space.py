"""What is searched, and the skeletons it stands in: the keys `space` and `network`."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from nas_steps.config.section import Natural, Section
from nas_steps.errors import known
from nas_steps.spaces.cells.architectures import KINDS
from nas_steps.spaces.cells.operations import OPERATIONS
from nas_steps.spaces.cells.presets import DECLARED as CELLS
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.declare import OF_CELLS, OF_MOBILE, cell_space
from nas_steps.spaces.mobile.declarations import Stage
from nas_steps.spaces.mobile.presets import DECLARED as MOBILE
from nas_steps.spaces.mobile.space import MobileSpace

OperationsByEdge = list[str] | dict[str, list[str] | list[list[str]]]


class Space(Section):
    """A declared space, of cells or mobile: a preset, and what differs from it."""

    preset: str = Field(
        "small",
        description=f"A declared space to start from, of cells: {', '.join(CELLS)}; or mobile, of stages of MBConv "
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
        return known("preset", value, (*CELLS, *MOBILE))

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
        mobile = self.preset in MOBILE
        for key in OF_CELLS if mobile else OF_MOBILE:
            if getattr(self, key) is not None:
                kind, presets = ("cells", CELLS) if mobile else ("a mobile space", MOBILE)
                raise ValueError(
                    f"{key} declares {kind}, but preset {self.preset} is {'mobile' if mobile else 'of cells'}; "
                    f"leave it out, or start from one of {', '.join(presets)}"
                )
        filled(self)
        return self


def filled(space: Space) -> Space:
    """Fill the keys of the section from its preset, so that nothing is left to look up by the preset's name.

    What follows from other keys, such as all edges of so many nodes, stays null, even if it is written out: equal
    spaces have equal sections. Idempotent. Raises ValueError if nothing could be searched in the space.
    """
    given = {key: value for key in (*OF_CELLS, *OF_MOBILE) if (value := getattr(space, key)) is not None}
    if space.preset in MOBILE:
        preset = MOBILE[space.preset]
        given |= {key: {**preset[key], **given.get(key, {})} for key in ("stem", "head")}
        mobile = MobileSpace.declare(space.preset, {**preset, **given})
        stem, head = dataclasses.asdict(mobile.stem), dataclasses.asdict(mobile.head)
        stages = [_stage(stage, mobile.stem.activation) for stage in mobile.stages]
        return space.model_copy(update={"stem": stem, "stages": stages, "head": head})
    if "edges" in given:
        given.setdefault("nodes", len(given["edges"]))
    cells = cell_space(space.preset, **{**CELLS[space.preset], **given})
    by_edge = {kind: [list(names) for names in rows] for kind, rows in (cells.by_edge or {}).items()}
    keys = {
        "inputs": cells.inputs,
        "nodes": cells.nodes,
        "edges": [list(sources) for sources in cells.reads],
        "operations": by_edge or list(cells.operations),
        "edges_per_node": cells.edges_per_node or "all",
        "concat": list(cells.concat),
        "none_is_choice": cells.none_is_choice,
    }
    for field, value in cells.defaults().items():
        if getattr(cells, field) == value:
            keys["edges" if field == "reads" else field] = None
    return space.model_copy(update=keys)


def _stage(stage: Stage, activation: str) -> dict[str, Any]:
    """The keys of a stage that differ from their defaults; `activation` is the stem's."""
    values = {
        field.name: value
        for field in dataclasses.fields(stage)
        if (value := getattr(stage, field.name)) != ((activation,) if field.name == "activation" else field.default)
    }
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


#: the section `space` in settings, which is filled
FilledSpace = Annotated[Space, AfterValidator(filled)]


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


def check_network(network: Network, space: CellSpace, where: str) -> None:
    """Raise ValueError if cells of `space` cannot be stacked so; `where` is the key of the network."""
    if space.inputs == 1 and network.reductions is not None:
        raise ValueError(
            f"{where}.reductions is {network.reductions}, but the one-input cells of space {space.name} stand in "
            "three stages; leave it out"
        )
    if space.inputs == 2 and network.reductions is None and network.cells < 3:
        raise ValueError(
            f"{where}.cells is {network.cells}; two-input cells are stacked 3 or more, or {where}.reductions says "
            "which of them halve the side"
        )
