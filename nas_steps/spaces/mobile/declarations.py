"""Read the stem, stages and head of a mobile space from plain data."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, TypeVar

from nas_steps.errors import exact, known
from nas_steps.spaces.mobile.architectures import (
    ACTIVATIONS,
    LIMITS,
    MOMENTUM,
    SYNONYMS,
    Head,
    Operation,
    Stem,
    operation_name,
    parse_operation,
)

#: the choices of a layer, in the order of the decisions
FACTORS = ("kernel", "expansion", "squeeze")
#: a layer's operation, None for a layer left out
Place = Operation | None
Part = TypeVar("Part", Stem, Head)

#: the field of the string whose limits a declared key has
FIELD_OF = {
    "width": "c",
    "depth": "r",
    "stride": "s",
    "kernel": "k",
    "expansion": "e",
    "hidden": "l",
    "dropout": "p",
    "epsilon": "eps",
    "momentum": "mom",
    "resolution": "i",
}


def spelled(place: Place) -> tuple[str, ...]:
    """Name a layer's kernel, expansion and squeeze-excitation; ("id", "", "") for a layer left out."""
    if place is None:
        return ("id", "", "")
    return (str(place.kernel), exact(place.expansion), place.squeeze or "none")


#: the key of the stem for the padding of strided convolutions, and its values, the default first
PADDING, PADDINGS = "padding", ("symmetric", "same")
#: fields of the stem that are no keys: `space.resolution` and `padding` say the same
OF_STRINGS = ("side", "same")


@dataclass(frozen=True)
class Stage:
    """The choices of a stage: one or several values for each key.

    - The whole stage has one `width` (output channels), `depth` (layers), `stride` (of the first layer), `activation`.
    - Each layer chooses `kernel`, `expansion` and `squeeze` ("none", "se0.25", "hse0.25"), or the stage does (`by`:
      "stage"). `operations` lists the combinations instead: "id", "k3_e6", "k5_e3_se0.25".
    - `skip`: all layers but the first may be left out (`id`).
    """

    width: tuple[int, ...]
    depth: tuple[int, ...] = (1,)
    stride: tuple[int, ...] = (1,)
    activation: tuple[str, ...] = ()
    kernel: tuple[int, ...] = (3,)
    expansion: tuple[float, ...] = (1.0,)
    squeeze: tuple[str, ...] = ("none",)
    operations: tuple[str, ...] = ()
    skip: bool = False
    by: str = "layer"

    def __post_init__(self) -> None:
        known("by", self.by, ("layer", "stage"))
        first, rest = self._places
        for operations in (first, rest):
            if len(set(operations)) < len(operations):
                raise ValueError(f"operations: one stands twice in {list(self.operations)}")
        if self.by == "stage" and None in rest:
            raise ValueError("by is stage, but layers may be left out; say `by: layer`, or leave out skip and id")
        if len(self.activation) > 1 and None in first:
            raise ValueError("activation has a choice, but all layers may be left out; leave id out, or the choice")

    def places(self, layer: int) -> tuple[Place, ...]:
        """Return the choices of layer number `layer`."""
        return self._places[min(layer, 1)]

    def layers(self, depth: int) -> int:
        """Count the layers that choose for themselves."""
        return 1 if self.by == "stage" else depth

    def ways(self, depth: int) -> int:
        """Count the operations' combinations over `depth` layers."""
        return len(self.places(0)) * len(self.places(1)) ** (self.layers(depth) - 1)

    def others(self, layer: int, place: Place) -> list[Place]:
        """Return a layer's mutations: one factor changes, or the layer is left out or comes back."""

        def near(other: Place) -> bool:
            if self.operations or place is None or other is None:
                return True
            return sum(one != two for one, two in zip(place, other, strict=True)) == 1

        return [other for other in self.places(layer) if other != place and near(other)]

    @cached_property
    def _places(self) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
        if self.operations:
            named = tuple(parse_operation(name) for name in self.operations)
            return named, ((None, *named) if self.skip and None not in named else named)
        every = tuple(
            Operation(kernel, float(expansion), "" if squeeze == "none" else squeeze)
            for kernel, expansion, squeeze in product(self.kernel, self.expansion, self.squeeze)
        )
        return every, ((None, *every) if self.skip else every)


def declared_stages(data: Any, activation: str) -> tuple[Stage, ...]:
    """Read stages of plain data; `activation` is the stem's. Raises ValueError."""
    if not isinstance(data, Sequence) or isinstance(data, str):
        raise ValueError(f"stages is {data!r}; a list of stages is expected, each with width, depth, kernel, ...")
    found = []
    for number, one in enumerate(data):
        where = f"stages[{number}]"
        values = _keys(where, one, Stage)
        several: dict[str, Any] = {
            key: _several(f"{where}.{key}", key, value) for key, value in values.items() if key in _CHOICES
        }
        single = {key: value for key, value in values.items() if key not in _CHOICES}
        if "operations" in several and {"kernel", "expansion", "squeeze"} & set(several):
            raise ValueError(f"{where}: operations name their kernel, expansion and squeeze; leave those keys out")
        if not isinstance(single.get("skip", False), bool):
            raise ValueError(f"{where}.skip is {single['skip']!r}; it is true or false")
        several.setdefault("activation", (activation,))
        try:
            found.append(Stage(**several, **single))
        except ValueError as error:
            raise ValueError(f"{where}.{error}") from None
    return tuple(found)


def declared_resolution(data: Any) -> tuple[int, ...]:
    """Read the choices of the side, none for None; the smallest is the first. Raises ValueError."""
    return () if data is None else _several("resolution", "resolution", data)


def declared_part(where: str, kind: type[Part], data: Any) -> Part:
    """Read the stem or head of plain data. Raises ValueError."""
    values = {key: _one(f"{where}.{key}", key, value) for key, value in _keys(where, data, kind).items()}
    if kind is Stem:
        values["same"] = values.pop(PADDING, PADDINGS[0]) == "same"
    return kind(**values)


def part_keys(part: Stem | Head) -> dict[str, Any]:
    """Return the plain data that `declared_part` reads; padding and momentum only if they are not the default."""
    values = dataclasses.asdict(part)
    if isinstance(part, Stem):
        values = {key: value for key, value in values.items() if key not in OF_STRINGS}
        values |= {PADDING: "same"} if part.same else {}
        if part.momentum == MOMENTUM:
            del values["momentum"]
    return values


_CHOICES = ("width", "depth", "stride", "activation", "kernel", "expansion", "squeeze", "operations")


def _keys(where: str, data: Any, kind: type) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(kind) if kind is not Stem or field.name not in OF_STRINGS]
    names += [PADDING] if kind is Stem else []
    if not isinstance(data, Mapping):
        raise ValueError(f"{where} is {data!r}; keys are expected: {', '.join(names)}")
    for key in data:
        try:
            known("key", str(key), names)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    if "width" not in data:
        raise ValueError(f"{where} needs width")
    return dict(data)


def _several(where: str, key: str, value: Any) -> tuple[Any, ...]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if not values:
        raise ValueError(f"{where} is empty; name at least one")
    found = tuple(_one(where, key, one) for one in values)
    if len(set(found)) < len(found):
        raise ValueError(f"{where}: something stands twice in {values}")
    return tuple(sorted(found)) if key in FIELD_OF else found


def _one(where: str, key: str, value: Any) -> Any:
    try:
        if key == "activation":
            return known("activation", SYNONYMS.get(str(value), str(value)), ACTIVATIONS)
        if key == "squeeze":
            return "none" if value in (0, None, "none") else _squeeze(str(value))
        if key == PADDING:
            return known("padding", str(value), PADDINGS)
        if key == "operations":
            return operation_name(parse_operation(str(value)))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    low, high = LIMITS[FIELD_OF[key]]
    whole = isinstance(low, int)
    if key == "hidden" and value == 0:
        return 0
    if (
        isinstance(value, bool)
        or not isinstance(value, (int,) if whole else (int, float))
        or not low <= value <= high
        or (key == "kernel" and value % 2 == 0)
    ):
        kind = "an odd number" if key == "kernel" else "a whole number" if whole else "a number"
        raise ValueError(f"{where} is {value!r}; it must be {kind} from {exact(low)} to {exact(high)}")
    return value if whole else float(value)


def _squeeze(text: str) -> str:
    try:
        operation = parse_operation(f"k3_e1_{text}")
    except ValueError:
        operation = None
    if operation is None or not operation.squeeze:
        raise ValueError(f"{text!r} is no squeeze-excitation; it is none, se0.25 or hse0.25")
    return operation.squeeze
