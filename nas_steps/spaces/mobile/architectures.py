"""A mobile architecture as a string and as data: a stem, stages of MBConv blocks, a head.

EfficientNet-B0 (Tan & Le 2019, table 1) is, on one line::

    stem_k3_s2_c32_silu/mb_k3_e1_c16_se0.25/mb_r2_k3_s2_e6_c24_se0.25/mb_r2_k5_s2_e6_c40_se0.25
    /mb_r3_k3_s2_e6_c80_se0.25/mb_r3_k5_e6_c112_se0.25/mb_r4_k5_s2_e6_c192_se0.25/mb_k3_e6_c320_se0.25/head_c1280_p0.2

`/` separates stem, stages and head, `+` the unequal blocks within a stage, `_` the fields of a block:

- `mb` is an inverted residual (Sandler et al. 2018, section 3.3): expand, depthwise, squeeze-excitation, project. Its
  fields are kernel `k`, expansion `e`, output channels `c`, stride `s` (default 1) and repetitions `r` (default 1; all
  but the first have stride 1).
- `se` is EfficientNet's squeeze-excitation to a share of the block's input channels. `hse` is MobileNetV3's (Howard et
  al. 2019, section 5.3): a share of the expanded channels, a multiple of 8, a hard sigmoid.
- A block has the stem's activation unless it names one: silu, relu, relu6 or hswish.
- `id` is a layer left out. If it changes the shape (`id_s2_c64`), it is a strided 1x1 convolution and a batch norm.
- `stem` is a convolution; `eps` is the epsilon of all batch norms (default 1e-5), `mom` the share of a batch in their
  running statistics (torch's momentum, default 0.1). With `i96` the network first resizes its images to 96 x 96 pixels
  (bilinear, antialiased); without, it takes any side. With `tf` all convolutions of stride 2 have TensorFlow's 'same'
  padding, which is larger on the right and below; without, it is symmetric.
- `head` is a 1x1 convolution to `c` channels, the average, an optional linear layer to `l` units with the stem's
  activation, dropout with probability `p` (default 0) and the classifier.

Fields are read in any order and printed in one; equal blocks that follow one another are printed as one run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from nas_steps.errors import UserError, exact, known

ACTIVATIONS = ("silu", "relu", "relu6", "hswish")
#: other spellings of the activations
SYNONYMS = {"swish": "silu"}
#: default epsilon of batch norms
EPSILON = 1e-5
#: default share of a batch in the running statistics of batch norms
MOMENTUM = 0.1
BLOCKS = ("mb", "id")

#: fields of each part in printed order, and its required fields
FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "stem": (("k", "s", "c", "eps", "mom", "i", "tf"), ("k", "c")),
    "mb": (("r", "k", "s", "e", "c", "se", "hse"), ("k", "e", "c")),
    "id": (("r", "s", "c"), ()),
    "head": (("c", "l", "p"), ("c",)),
}
#: fields without a number
FLAGS = ("tf",)
#: lowest and highest value of each field, which is a whole number if its limits are
LIMITS: dict[str, tuple[float, float]] = {
    "r": (1, 200),
    "k": (1, 31),
    "s": (1, 2),
    "c": (1, 100_000),
    "l": (1, 100_000),
    "e": (0.1, 100.0),
    "se": (0.001, 1.0),
    "hse": (0.001, 1.0),
    "p": (0.0, 0.99),
    "eps": (1e-12, 1.0),
    "mom": (1e-6, 1.0),
    "i": (4, 1024),
}


class Operation(NamedTuple):
    """The kernel, expansion and squeeze-excitation ("" or a field such as "se0.25") of an MBConv block."""

    kernel: int
    expansion: float
    squeeze: str = ""

    def __str__(self) -> str:
        return "_".join(filter(None, (f"k{self.kernel}", f"e{exact(self.expansion)}", self.squeeze)))


def operation_name(operation: Operation | None) -> str:
    return "id" if operation is None else str(operation)


@dataclass(frozen=True)
class Block:
    """One layer with `width` output channels; a layer left out has operation None and activation ""."""

    width: int
    stride: int
    operation: Operation | None
    activation: str

    def __str__(self) -> str:
        name = f"{operation_name(self.operation)}_s{self.stride}_c{self.width}"
        return f"{name}_{self.activation}" if self.activation else name

    def is_identity(self, channels: int) -> bool:
        """Return whether the layer is left out and keeps the shape of an input with `channels` channels."""
        return self.operation is None and self.stride == 1 and self.width == channels


@dataclass(frozen=True)
class Stem:
    """The first layer, and what holds for the whole network.

    `side` is the side in pixels that images are first resized to, 0 for none. With `same`, strided convolutions have
    TensorFlow's 'same' padding.
    """

    width: int
    kernel: int = 3
    stride: int = 2
    activation: str = "silu"
    epsilon: float = EPSILON
    side: int = 0
    same: bool = False
    momentum: float = MOMENTUM


@dataclass(frozen=True)
class Head:
    """`hidden` is the width of a linear layer before the classifier, 0 for none."""

    width: int
    hidden: int = 0
    dropout: float = 0.0


@dataclass(frozen=True)
class MobileArchitecture:
    stem: Stem
    stages: tuple[tuple[Block, ...], ...]
    head: Head

    def __str__(self) -> str:
        return "/".join((self._stem(), *self._stages(), self._head()))

    @property
    def stride(self) -> int:
        """The divisor of the images' side."""
        return math.prod((self.stem.stride, *(block.stride for stage in self.stages for block in stage)))

    def blocks(self) -> Iterator[tuple[int, int, int, Block]]:
        """Yield (stage, position within it, input channels, block) from the stem to the head."""
        width = self.stem.width
        for number, stage in enumerate(self.stages):
            for position, block in enumerate(stage):
                yield number, position, width, block
                width = block.width

    def simplified(self) -> MobileArchitecture:
        """Return the same function in one stage, without identities."""
        kept = tuple(block for _, _, width, block in self.blocks() if not block.is_identity(width))
        return replace(self, stages=(kept,))

    def _stem(self) -> str:
        stem = self.stem
        stride = "" if stem.stride == 1 else f"_s{stem.stride}"
        epsilon = "" if stem.epsilon == EPSILON else f"_eps{exact(stem.epsilon)}"
        momentum = "" if stem.momentum == MOMENTUM else f"_mom{exact(stem.momentum)}"
        side = f"_i{stem.side}" if stem.side else ""
        same = "_tf" if stem.same else ""
        return f"stem_k{stem.kernel}{stride}_c{stem.width}{epsilon}{momentum}{side}{same}_{stem.activation}"

    def _head(self) -> str:
        head = self.head
        hidden = f"_l{head.hidden}" if head.hidden else ""
        return f"head_c{head.width}{hidden}" + (f"_p{exact(head.dropout)}" if head.dropout else "")

    def _stages(self) -> Iterator[str]:
        width = self.stem.width
        for stage in self.stages:
            # (block, input channels, repetitions)
            runs: list[tuple[Block, int, int]] = []
            for block in stage:
                if runs and block == replace(runs[-1][0], stride=1):
                    runs[-1] = (*runs[-1][:2], runs[-1][2] + 1)
                else:
                    runs.append((block, width, 1))
                width = block.width
            yield "+".join(self._run(*run) for run in runs)

    def _run(self, block: Block, width: int, count: int) -> str:
        name = "id" if block.operation is None else "mb"
        fields = [name] + ([f"r{count}"] if count > 1 else [])
        stride = [f"s{block.stride}"] if block.stride > 1 else []
        if block.operation is None:
            return "_".join(fields + stride + ([] if block.width == width else [f"c{block.width}"]))
        kernel, expansion, squeeze = block.operation
        fields += [f"k{kernel}", *stride, f"e{exact(expansion)}", f"c{block.width}", *filter(None, [squeeze])]
        return "_".join(fields + ([block.activation] if block.activation != self.stem.activation else []))


def parse_mobile(text: str) -> MobileArchitecture:
    """Read a mobile architecture. Raises UserError, which names the character."""
    text = text.strip()
    parts = list(_split(text, "/", 0))
    if len(parts) < 3 or not parts[0][0].startswith("stem") or not parts[-1][0].startswith("head"):
        raise UserError(
            f"{text!r} is no mobile architecture; one is spelled stem_k3_s2_c32_silu/STAGE/.../head_c1280, each stage "
            "of blocks such as mb_r2_k3_s2_e6_c24_se0.25, with + between unequal ones"
        )
    first = _Part(text, *parts[0], names=("stem",))
    stem = Stem(
        width=int(first.numbers["c"]),
        kernel=int(first.numbers["k"]),
        stride=int(first.numbers.get("s", 1)),
        activation=first.activation or Stem.activation,
        epsilon=first.numbers.get("eps", EPSILON),
        momentum=first.numbers.get("mom", MOMENTUM),
        side=int(first.numbers.get("i", 0)),
        same="tf" in first.numbers,
    )
    width = stem.width
    stages = []
    for part, start in parts[1:-1]:
        stage: list[Block] = []
        for spelled, offset in _split(part, "+", start):
            stage += _blocks(_Part(text, spelled, offset, names=BLOCKS), width, stem.activation)
            width = stage[-1].width
        stages.append(tuple(stage))
    last = _Part(text, *parts[-1], names=("head",))
    if last.activation:
        raise last.error("the head has the stem's activation; leave it out here")
    head = Head(int(last.numbers["c"]), int(last.numbers.get("l", 0)), last.numbers.get("p", 0.0))
    made = MobileArchitecture(stem, tuple(stages), head)
    if 0 < stem.side < made.stride:
        raise first.error(f"i{stem.side} is too small: the strides divide the side by {made.stride}; raise it")
    return made


def is_mobile(text: str) -> bool:
    """Return whether the string starts as a mobile architecture, valid or not."""
    return text.lstrip().startswith("stem")


def parse_operation(text: str) -> Operation | None:
    """Read `k3_e6_se0.25`, or `id` as None. Raises ValueError."""
    if text == "id":
        return None
    try:
        # an operation is a block without a shape
        return _Part(text, f"mb_c1_{text}", -len("mb_c1_"), names=("mb",)).operation()
    except UserError as error:
        raise ValueError(f"{error}; an operation is spelled id, k3_e6 or k3_e6_se0.25") from None


def _blocks(part: _Part, width: int, activation: str) -> list[Block]:
    """Return the blocks of a run for `width` input channels and the stem's `activation`."""
    numbers, operation = part.numbers, part.operation()
    if operation is None and part.activation:
        raise part.error("a layer that is left out has no activation")
    shown = "" if operation is None else part.activation or activation
    block = Block(int(numbers.get("c", width)), int(numbers.get("s", 1)), operation, shown)
    return [block, *[replace(block, stride=1)] * (int(numbers.get("r", 1)) - 1)]


def _split(text: str, separator: str, start: int) -> Iterable[tuple[str, int]]:
    """Yield each piece with the position of its first character."""
    for piece in text.split(separator):
        yield piece, start
        start += len(piece) + 1


class _Part:
    """The fields of one part of a string: `numbers` by letter, and the activation or ""."""

    def __init__(self, whole: str, text: str, start: int, *, names: tuple[str, ...]) -> None:
        self.whole, self.text, self.start = whole, text, start
        self.numbers: dict[str, float] = {}
        self.activation = ""
        pieces = list(_split(text, "_", start))
        self.name = pieces[0][0]
        if not text:
            raise self.error("a stage without blocks: something must stand between two separators")
        try:
            known("operation" if names == BLOCKS else "part", self.name, names)
        except ValueError as error:
            raise self.error(str(error)) from None
        for piece, at in pieces[1:]:
            self._read(piece, at)
        missing = [field for field in FIELDS[self.name][1] if field not in self.numbers]
        if missing:
            raise self.error(f"{self.name} needs {' and '.join(missing)}")
        if "se" in self.numbers and "hse" in self.numbers:
            raise self.error("give se or hse, not both")

    def operation(self) -> Operation | None:
        if self.name == "id":
            return None
        squeeze = next((f"{field}{exact(self.numbers[field])}" for field in ("se", "hse") if field in self.numbers), "")
        return Operation(int(self.numbers["k"]), self.numbers["e"], squeeze)

    def error(self, words: str, at: int | None = None, text: str | None = None) -> UserError:
        at = self.start if at is None else at
        return UserError(f"{self.whole!r}: {words} (at character {max(at, 0) + 1}, {text or self.text!r})")

    def _read(self, piece: str, at: int) -> None:
        activation = SYNONYMS.get(piece, piece)
        if activation in ACTIVATIONS:
            if self.activation:
                raise self.error("two activations", at, piece)
            self.activation = activation
            return
        fields = FIELDS[self.name][0]
        if piece in FLAGS and piece in fields:
            if piece in self.numbers:
                raise self.error(f"{piece} is given twice", at, piece)
            self.numbers[piece] = 1
            return
        match = re.fullmatch(r"([a-z]+)(\d+\.?\d*(?:e-?\d+)?|\.\d+)", piece)
        if match is None or match[1] not in fields or match[1] in FLAGS:
            numbers, flags = ([one for one in fields if (one in FLAGS) == kind] for kind in (False, True))
            words = f"{piece!r} is no field of {self.name}; its fields are {', '.join(numbers)}, each with a number"
            words += f", {', '.join(flags)} without one" if flags else ""
            raise self.error(f"{words}, and an activation of {', '.join(ACTIVATIONS)}", at, piece)
        field, value = match[1], float(match[2])
        low, high = LIMITS[field]
        whole = isinstance(low, int)
        if not low <= value <= high or (whole and value != int(value)) or (field == "k" and value % 2 == 0):
            kind = "an odd number" if field == "k" else "a whole number" if whole else "a number"
            raise self.error(f"{field} must be {kind} from {exact(low)} to {exact(high)}, not {match[2]}", at, piece)
        if field in self.numbers:
            raise self.error(f"{field} is given twice", at, piece)
        self.numbers[field] = value
