"""Mobile spaces: stages of MBConv blocks, with choices for each stage and for each of its layers.

A space is declared as plain data (`MobileSpace.declare`). Its architectures are strings
(`nas_steps.spaces.mobile.architectures`).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any, NamedTuple

from nas_steps.errors import UserError
from nas_steps.spaces.mobile.architectures import Block, Head, MobileArchitecture, Stem, parse_mobile
from nas_steps.spaces.mobile.declarations import Place, Stage, declared_head, declared_stages, declared_stem, spelled
from nas_steps.spaces.protocol import Decision

__all__ = ["MobileArchitecture", "MobileSpace", "Stage", "parse_mobile"]

#: what a whole stage chooses, in the order of the decisions
SETTINGS = ("depth", "width", "stride", "activation")
#: what a layer chooses, in the order of the decisions
FACTORS = ("kernel", "expansion", "squeeze")


class Chosen(NamedTuple):
    """What one stage of an architecture is. `operations` has one entry a layer, or one for all of them where the stage
    chooses as a whole."""

    depth: int
    width: int
    stride: int
    activation: str
    operations: tuple[Place, ...]


class Question(NamedTuple):
    """What is decided, and the answers that it can have here: one or more names."""

    kind: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class MobileSpace:
    """All architectures with this stem and head, and what the stages can be.

    Raises ValueError when it is declared so that nothing could be searched in it.
    """

    name: str
    stem: Stem
    stages: tuple[Stage, ...]
    head: Head

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("stages is empty; declare at least one")
        if self.size() == 1:
            raise ValueError("the stages leave nothing to choose; give a list of two or more for some key")

    @classmethod
    def declare(cls, name: str, data: Mapping[str, Any]) -> MobileSpace:
        """The space of plain data: {"stem": {...}, "stages": [{...}, ...], "head": {...}}. Raises ValueError."""
        unknown = sorted(set(data) - {"stem", "stages", "head"})
        if unknown or set(data) != {"stem", "stages", "head"}:
            given = ", ".join(sorted(data)) or "nothing"
            raise ValueError(f"a mobile space has a stem, stages and a head; given are {given}")
        stem = declared_stem(data["stem"])
        return cls(name, stem, declared_stages(data["stages"], stem.activation), declared_head(data["head"]))

    @property
    def stride(self) -> int:
        """By what its networks divide the side of their images at most."""
        return self.stem.stride * math.prod(max(stage.stride) for stage in self.stages)

    def size(self) -> int:
        """How many different strings the space has."""
        return math.prod(
            len(stage.width) * len(stage.stride) * len(stage.activation) * sum(map(stage.ways, stage.depth))
            for stage in self.stages
        )

    def sample(self, random: Random) -> MobileArchitecture:
        """Draw one architecture uniformly."""
        found = []
        for stage in self.stages:
            # depths with more layers stand in more architectures; the total may be larger than any float
            left, depth = random.randrange(sum(map(stage.ways, stage.depth))), stage.depth[0]
            for depth in stage.depth:
                if left < stage.ways(depth):
                    break
                left -= stage.ways(depth)
            settings = (random.choice(stage.width), random.choice(stage.stride), random.choice(stage.activation))
            places = tuple(random.choice(stage.places(layer)) for layer in range(stage.layers(depth)))
            found.append(Chosen(depth, *settings, places))
        return self.made(found)

    def mutate(self, architecture: MobileArchitecture, random: Random) -> MobileArchitecture:
        """Change one setting of one stage, or one factor of one layer; never returns the same.

        Each of them is as likely as another, and then each value. A layer that is left out, or comes back, has changed
        in one factor; layers that are added repeat the last one.
        """
        chosen = self._read(architecture)
        number, others = random.choice(list(self._sites(chosen)))
        return self.made([*chosen[:number], random.choice(others), *chosen[number + 1 :]])

    def identity(self, architecture: MobileArchitecture) -> str:
        """Equal for architectures that are the same but for layers that are left out and bounds of stages."""
        return str(architecture.simplified())

    def parse(self, text: str) -> MobileArchitecture:
        """Read an architecture of this space. Raises UserError."""
        return self.check(parse_mobile(text))

    def check(self, architecture: MobileArchitecture) -> MobileArchitecture:
        """`architecture`, if it belongs to this space; else a UserError that says why it does not."""
        self._read(architecture)
        return architecture

    def decision(self, prefix: Sequence[int]) -> Decision | None:
        """What follows the decisions `prefix`; None where nothing is left to decide. Raises ValueError."""
        found = self._follow(prefix)
        return found if isinstance(found, Decision) else None

    def decode(self, choices: Sequence[int]) -> MobileArchitecture:
        """The architecture of all decisions, indices of `Decision.options`. Raises ValueError."""
        found = self._follow(choices)
        if isinstance(found, Decision):
            raise ValueError(f"{len(choices)} decisions are too few: {found.kind} is not decided")
        return self.made(found)

    def decided(self, architecture: MobileArchitecture) -> list[int]:
        """The decisions that lead to `architecture`: the inverse of `decode`. Raises UserError."""
        names = [
            name
            for chosen in self._read(architecture)
            for name in (
                *(str(getattr(chosen, setting)) for setting in SETTINGS),
                *(name for place in chosen.operations for name in spelled(place)),
            )
        ]
        script = self._script()
        choices, question = [], next(script)
        for position, name in enumerate(names):
            if len(question.names) > 1:
                choices.append(self._options[question.kind].index(name))
            if position < len(names) - 1:
                question = script.send(name)
        return choices

    def encode(self, architecture: MobileArchitecture) -> list[float]:
        """One-hot vectors of every setting and every layer's factors, one after the other; zeros for layers that are
        not there. As long for every architecture of the space."""
        row: list[float] = []

        def one_hot(value: object, options: Sequence[object]) -> None:
            if len(options) > 1:
                row.extend(float(option == value) for option in options)

        for stage, chosen in zip(self.stages, self._read(architecture), strict=True):
            for setting in SETTINGS:
                one_hot(getattr(chosen, setting), getattr(stage, setting))
            for layer in range(stage.layers(max(stage.depth))):
                places = stage.places(layer)
                known = layer < len(chosen.operations)
                for factor in range(len(FACTORS)):
                    names = tuple(dict.fromkeys(spelled(place)[factor] for place in places))
                    one_hot(spelled(chosen.operations[layer])[factor] if known else None, names)
        return row

    def made(self, chosen: Sequence[Chosen]) -> MobileArchitecture:
        """The architecture of what every stage has chosen, which is not checked."""
        return MobileArchitecture(self.stem, tuple(map(_blocks, chosen)), self.head)

    def _sites(self, chosen: Sequence[Chosen]) -> Iterator[tuple[int, list[Chosen]]]:
        """(stage, what it can become by one mutation) for everything that can change."""
        for number, (stage, now) in enumerate(zip(self.stages, chosen, strict=True)):
            for setting in SETTINGS:
                values = [value for value in getattr(stage, setting) if value != getattr(now, setting)]
                if values:
                    yield number, [_with(stage, now, setting, value) for value in values]
            for layer, place in enumerate(now.operations):
                others = stage.others(layer, place)
                if others:
                    before, after = now.operations[:layer], now.operations[layer + 1 :]
                    yield number, [now._replace(operations=(*before, other, *after)) for other in others]

    def _read(self, architecture: MobileArchitecture) -> list[Chosen]:
        """What every stage of `architecture` has chosen. Raises UserError where it is none of this space."""

        def refuse(words: str) -> UserError:
            return UserError(f"{architecture}: {words} (space {self.name})")

        if architecture.stem != self.stem:
            raise refuse(f"its stem is not the space's, {self._fixed(architecture).split('/')[0]}")
        if architecture.head != self.head:
            raise refuse(f"its head is not the space's, {self._fixed(architecture).split('/')[-1]}")
        if len(architecture.stages) != len(self.stages):
            raise refuse(f"it has {len(architecture.stages)} stages, the space has {len(self.stages)}")
        found = []
        for number, (stage, blocks) in enumerate(zip(self.stages, architecture.stages, strict=True)):
            where = f"stage {number + 1}"
            activation = next(
                (block.activation for block in blocks if block.operation is not None), stage.activation[0]
            )
            now = Chosen(len(blocks), blocks[0].width, blocks[0].stride, activation, _operations(stage, blocks))
            for setting in SETTINGS:
                value, allowed = getattr(now, setting), getattr(stage, setting)
                if value not in allowed:
                    raise refuse(f"the {setting} of {where} is {value}, not {' or '.join(map(str, allowed))}")
            for layer, place in enumerate(now.operations):
                if place not in stage.places(layer):
                    known = ", ".join(_spelled_place(one) for one in stage.places(layer))
                    raise refuse(f"layer {layer + 1} of {where} is {_spelled_place(place)}; it can be {known}")
            # what has been read says what the blocks are, unless they differ where no choice is
            if _blocks(now) != blocks:
                raise refuse(
                    f"the layers of {where} must have one width and activation, the stride in the first"
                    + (", and be all the same" if stage.by == "stage" else "")
                )
            found.append(now)
        return found

    def _fixed(self, architecture: MobileArchitecture) -> str:
        return str(MobileArchitecture(self.stem, architecture.stages, self.head))

    @cached_property
    def _options(self) -> dict[str, tuple[str, ...]]:
        """By kind of decision, what it can be anywhere in the space, words first, then numbers by size."""
        found: dict[str, set[str]] = {kind: set() for kind in (*SETTINGS, *FACTORS)}
        for stage in self.stages:
            for setting in SETTINGS:
                found[setting].update(map(str, getattr(stage, setting)))
            for place in (*stage.places(0), *stage.places(1)):
                for kind, name in zip(FACTORS, spelled(place), strict=True):
                    found[kind].add(name)
        # a layer that is left out decides on no more than that
        return {kind: tuple(sorted(names - {""}, key=_by_size)) for kind, names in found.items()}

    def _decision(self, question: Question) -> Decision:
        options = self._options[question.kind]
        return Decision(question.kind, options, tuple(sorted(options.index(name) for name in question.names)))

    def _script(self) -> Generator[Question, str, list[Chosen]]:
        """Asks one question after the other, is sent the answer's name, and returns what was chosen."""
        found = []
        for stage in self.stages:
            answers = []
            for setting in SETTINGS:
                answers.append((yield Question(setting, tuple(map(str, getattr(stage, setting))))))
            depth, width, stride = map(int, answers[:3])
            places: list[Place] = []
            for layer in range(stage.layers(depth)):
                left = stage.places(layer)
                for factor, kind in enumerate(FACTORS):
                    name = yield Question(kind, tuple(dict.fromkeys(spelled(place)[factor] for place in left)))
                    left = tuple(place for place in left if spelled(place)[factor] == name)
                places.append(left[0])
            found.append(Chosen(depth, width, stride, answers[3], tuple(places)))
        return found

    def _follow(self, choices: Sequence[int]) -> Decision | list[Chosen]:
        """The decision after `choices`, or what was chosen by them where it was the last. Raises ValueError."""
        script, left = self._script(), list(choices)
        try:
            question = next(script)
            while True:
                if len(question.names) == 1:
                    question = script.send(question.names[0])
                    continue
                decision = self._decision(question)
                if not left:
                    return decision
                choice = left.pop(0)
                if choice not in decision.allowed:
                    allowed = ", ".join(f"{one} ({decision.options[one]})" for one in decision.allowed)
                    raise ValueError(
                        f"decision {len(choices) - len(left)}, {decision.kind}, is {choice}, not {allowed}"
                    )
                question = script.send(decision.options[choice])
        except StopIteration as stop:
            if left:
                raise ValueError(f"{len(choices)} decisions are {len(left)} too many") from None
            return stop.value


def _by_size(name: str) -> tuple[float, str]:
    """Numbers by size, words before them."""
    try:
        return float(name), ""
    except ValueError:
        return -1.0, name


def _spelled_place(place: Place) -> str:
    return "id" if place is None else str(place)


def _with(stage: Stage, now: Chosen, setting: str, value: Any) -> Chosen:
    """`now` with another setting; layers that are added repeat the last one."""
    if setting != "depth":
        return now._replace(**{setting: value})
    layers = stage.layers(value)
    longer = now.operations + now.operations[-1:] * max(0, layers - len(now.operations))
    return now._replace(depth=value, operations=longer[:layers])


def _operations(stage: Stage, blocks: Sequence[Block]) -> tuple[Place, ...]:
    return tuple(block.operation for block in blocks[: stage.layers(len(blocks))])


def _blocks(chosen: Chosen) -> tuple[Block, ...]:
    operations = chosen.operations
    if len(operations) < chosen.depth:
        operations = operations * chosen.depth
    return tuple(
        Block(chosen.width, chosen.stride if layer == 0 else 1, one, "" if one is None else chosen.activation)
        for layer, one in enumerate(operations)
    )
