"""The search space and the skeletons of networks: the keys `space` and `network`."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from nas_steps.config.recipe import is_none
from nas_steps.config.section import Digits, Natural, Section
from nas_steps.errors import known
from nas_steps.spaces.cells.architectures import KINDS
from nas_steps.spaces.cells.operations import OPERATIONS
from nas_steps.spaces.cells.presets import DECLARED as CELLS
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.declare import OF_CELLS, OF_LANGUAGE, OF_MOBILE, cell_space
from nas_steps.spaces.language.declarations import keys_of
from nas_steps.spaces.language.presets import DECLARED as LANGUAGE
from nas_steps.spaces.language.space import LanguageSpace
from nas_steps.spaces.mobile.declarations import Stage, part_keys
from nas_steps.spaces.mobile.presets import DECLARED as MOBILE
from nas_steps.spaces.mobile.space import MobileSpace

OperationsByEdge = list[str] | dict[str, list[str] | list[list[str]]]


def of_language(description: str) -> Any:
    """Declare a key of spaces of language models; it is no part of the settings of others."""
    return Field(None, exclude_if=is_none, description=f"Language models: {description}")


class Space(Section):
    """A declared space, of cells, mobile or of language models: a preset, and what differs from it."""

    preset: str = Field(
        "small",
        description=f"Declared space to start from. Of cells: {', '.join(CELLS)}. Mobile: {', '.join(MOBILE)}. Of "
        f"language models: {', '.join(LANGUAGE)}; the first is the default with text.",
    )
    inputs: int | None = Field(
        None, description="Inputs of a cell: 2 (DARTS: normal and reduction cells) or 1 (NAS-Bench-201: one `cell`)."
    )
    nodes: int | None = Field(None, ge=1, le=8, description="Intermediate nodes of a cell.")
    edges: list[list[int]] | None = Field(
        None, max_length=8, description="For each node its sources; null: all before it. Inputs have the first numbers."
    )
    operations: OperationsByEdge | None = Field(
        None,
        description="Choices on every edge; or by kind of cell (`normal` and `reduce`, or `cell`), a list for all its "
        f"edges or a list for each. Known: {', '.join(OPERATIONS)}.",
    )
    edges_per_node: Annotated[Annotated[int, Field(ge=1, le=8)] | Literal["all"] | None, Digits] = Field(
        None, description="Input edges that each node keeps; `all` keeps every edge."
    )
    concat: list[int] | None = Field(
        None, description="Nodes, from 0, that a two-input cell concatenates; null: all. A one-input cell has none."
    )
    none_is_choice: bool | None = Field(None, description="Whether an edge may be `none`; null: if all edges are kept.")
    stem: dict[str, Any] | None = Field(
        None,
        description="Mobile spaces. `width`, `kernel`, `stride` and `activation` are those of the first layer. "
        "`epsilon` and `momentum` (share of a batch in the running statistics) are those of batch norms. "
        "`padding` of convolutions of stride 2 is `symmetric` or TensorFlow's `same`.",
    )
    stages: list[dict[str, Any]] | None = Field(
        None,
        description="Mobile, by stage: `width`, `depth`, `stride`, `activation`; `kernel`, `expansion`, `squeeze` "
        "(`none`, `se0.25`, `hse0.25`) or `operations` (`k3_e6_se0.25`, `id`); `skip` (layers may be "
        "left out), `by` (`layer` or `stage`). Lists are choices.",
    )
    head: dict[str, Any] | None = Field(
        None, description="Mobile: `width` of the last convolution, `hidden` layer, `dropout`."
    )
    resolution: list[int] | None = Field(
        None,
        description="Mobile: sides in pixels, at most the stored one. One more choice: each architecture first resizes "
        "its images to one of them. Null: networks take the stored side.",
    )

    vocabulary: int | None = of_language("number of tokens; null: that of the data.")
    depth: int | list[int] | None = of_language("numbers of layers. Lists are choices, here and below.")
    width: int | list[int] | None = of_language("widths of the residual stream; each goes with each depth.")
    sizes: list[list[int]] | None = of_language("pairs [depth, width] in the place of both.")
    position: str | list[str] | None = of_language("`rope`, `rope500000`, `nope`, `pos256` (a learned table).")
    norm: str | list[str] | None = of_language("`rms`, `ln`, `rmsplain` (without scales).")
    order: str | list[str] | None = of_language("`sequential`, `parallel` (mixer and feed-forward network at once).")
    embedding: str | list[str] | None = of_language("`untied`, `tied` (the head has its weights).")
    extras: str | list[str] | None = of_language("`none`, or fields of the frame joined by `_`, as `enorm_x0_unet`.")
    mixer: str | list[str] | None = of_language(
        "of a layer: `attn_h4_kv2_w64_c3_qkn_vr`, `conv_k3`, `gla_h4`, `gru_e1`, `none`."
    )
    feed_forward: str | list[str] | None = of_language("of a layer: `gelu_e4`, `relu2_e4`, `swiglu_e2.667`, `none`.")
    by: Literal["layer", "network"] | None = of_language("whether each layer chooses, or all are the same.")

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, value: str) -> str:
        return known("preset", value, (*CELLS, *MOBILE, *LANGUAGE))

    @field_validator("resolution", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return [value] if isinstance(value, int) else value

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

    @model_validator(mode="after")
    def _builds(self) -> Space:
        own = "mobile" if self.preset in MOBILE else "of language models" if self.preset in LANGUAGE else "of cells"
        kinds: list[tuple[str, list[str], tuple[str, ...]]] = [
            ("cells", [*CELLS], OF_CELLS),
            ("a mobile space", [*MOBILE], OF_MOBILE),
            ("language models", [*LANGUAGE], OF_LANGUAGE),
        ]
        for kind, presets, keys in kinds:
            for key in () if self.preset in presets else keys:
                if getattr(self, key) is not None:
                    problem = f"{key} declares {kind}, but preset {self.preset} is {own}"
                    raise ValueError(f"{problem}; leave it out, or start from one of {', '.join(presets)}")
        filled(self)
        return self


def filled(space: Space) -> Space:
    """Fill the keys of the section from its preset. Idempotent. Raises ValueError if there is nothing to search.

    Values that follow from other keys, such as all edges of the nodes, stay null: equal spaces have equal sections.
    """
    if space.preset in LANGUAGE:
        return _filled_language(space)
    given = {key: value for key in (*OF_CELLS, *OF_MOBILE) if (value := getattr(space, key)) is not None}
    if space.preset in MOBILE:
        preset = MOBILE[space.preset]
        given |= {key: {**preset[key], **given.get(key, {})} for key in ("stem", "head")}
        mobile = MobileSpace.declare(space.preset, {**preset, **given})
        stem, head = part_keys(mobile.stem), part_keys(mobile.head)
        stages = [_stage(stage, mobile.stem.activation) for stage in mobile.stages]
        resolution = list(mobile.resolution) or None
        return space.model_copy(update={"stem": stem, "stages": stages, "head": head, "resolution": resolution})
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


def _filled_language(space: Space) -> Space:
    given = {key: value for key in OF_LANGUAGE if (value := getattr(space, key)) is not None}
    # pairs take the place of depths and widths, and the other way round
    replaced = ("depth", "width") if "sizes" in given else ("sizes",) if {"depth", "width"} & given.keys() else ()
    preset = {key: value for key, value in LANGUAGE[space.preset].items() if key not in replaced}
    keys = keys_of(LanguageSpace.declare(space.preset, {**preset, **given}).choices)
    return space.model_copy(update={key: keys.get(key) for key in OF_LANGUAGE})


def _stage(stage: Stage, activation: str) -> dict[str, Any]:
    """Return the keys of a stage that differ from their defaults; `activation` is the stem's."""
    values = {
        field.name: value
        for field in dataclasses.fields(stage)
        if (value := getattr(stage, field.name)) != ((activation,) if field.name == "activation" else field.default)
    }
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


#: the section `space` in settings, which is filled
FilledSpace = Annotated[Space, AfterValidator(filled)]


def _operations(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        wanted = "a list of operations, such as [skip_connect, noise], or by kind of cell such lists, or lists of them"
        raise ValueError(f"{where}given {value!r}; wanted is {wanted}")
    for name in value:
        try:
            known("operation", name, OPERATIONS)
        except ValueError as error:
            raise ValueError(f"{where}{error}") from None
    return value


class Network(Section):
    """The skeleton that cells are stacked in (Liu et al. 2019, section 2.1; Dong & Yang 2020, section 2.1)."""

    channels: int = Field(8, ge=1, le=512, description="Channels of the first cell's nodes; reductions double them.")
    cells: int = Field(
        3, ge=1, le=100, description="Cells, at least 3 without `reductions`; of one-input cells, those of one stage."
    )
    stem_multiplier: int = Field(
        3,
        ge=1,
        le=16,
        description="The stem `cifar` has this many times `channels`; that of one-input cells has `channels`.",
    )
    stem: Literal["cifar", "imagenet"] = Field(
        "cifar",
        description="Of two-input cells: `cifar`, one convolution; `imagenet`, three of stride 2, of which the first "
        "cell reads the last two (DARTS on ImageNet: 48 channels, 14 cells, 224 pixels).",
    )
    reductions: list[Natural] | None = Field(
        None, description="Two-input cells, from 0, that halve the side; null: those at 1/3 and 2/3 of the depth."
    )

    @model_validator(mode="after")
    def _some_of_each_kind(self) -> Network:
        if self.stem == "imagenet" and self.channels < 2:
            raise ValueError("stem is imagenet, whose first convolution has half of channels, but channels is 1")
        given = self.reductions
        if given is None:
            return self
        if not given or len(set(given)) < len(given) or max(given) >= self.cells:
            raise ValueError(f"reductions is {given}; name one or more of the cells 0 to {self.cells - 1}, each once")
        if len(given) == self.cells:
            raise ValueError(f"reductions names all {self.cells} cells; leave at least one to be a normal cell")
        return self


def check_network(network: Network, space: CellSpace, where: str) -> None:
    """Raise ValueError if cells of `space` cannot be stacked so; `where` is the key of the network."""
    if space.inputs == 1 and network.reductions is not None:
        problem = f"{where}.reductions is {network.reductions}"
        raise ValueError(f"{problem}, but the one-input cells of space {space.name} have three stages; leave it out")
    if space.inputs == 1 and network.stem != "cifar":
        problem = f"{where}.stem is {network.stem}, but the skeleton of space {space.name}'s one-input cells has a stem"
        raise ValueError(f"{problem} for small images alone; leave it out")
    if space.inputs == 2 and network.reductions is None and network.cells < 3:
        raise ValueError(
            f"{where}.cells is {network.cells}; set 3 or more, or let {where}.reductions name those that reduce"
        )
