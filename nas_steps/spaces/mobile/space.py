"""Mobile spaces: stages of MBConv blocks, with choices for each stage and for each of its layers."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any

from nas_steps.errors import UserError
from nas_steps.spaces.mobile.architectures import Head, MobileArchitecture, Stem, operation_name, parse_mobile
from nas_steps.spaces.mobile.chosen import Chosen, blocks, changed
from nas_steps.spaces.mobile.declarations import (
    FACTORS,
    Place,
    Stage,
    declared_part,
    declared_resolution,
    declared_stages,
    spelled,
)
from nas_steps.spaces.mobile.description import described
from nas_steps.spaces.mobile.extremes import extreme_place
from nas_steps.spaces.protocol import Decision, Sites

__all__ = ["MobileArchitecture", "MobileSpace", "Stage", "parse_mobile"]

#: the choice of the whole network, and those of a stage, in the order of the decisions
RESOLUTION = "resolution"
SETTINGS = ("depth", "width", "stride", "activation")


@dataclass(frozen=True)
class MobileSpace:
    """All architectures with this stem, head and choices of stages. Raises ValueError if there is nothing to search.

    With `resolution`, sides in pixels, each architecture first resizes its images to one of them (`i96` in its stem).
    """

    name: str
    stem: Stem
    stages: tuple[Stage, ...]
    head: Head
    resolution: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("stages is empty; declare at least one")
        if self.resolution and min(self.resolution) < self.stride:
            problem = f"resolution has {min(self.resolution)}, but the strides of stem and stages divide the side"
            raise ValueError(f"{problem} by {self.stride}; take {self.stride} pixels or more, or fewer strides")
        if self.size() == 1:
            raise ValueError("the stages leave nothing to choose; give a list of two or more for some key")

    @classmethod
    def declare(cls, name: str, data: Mapping[str, Any]) -> MobileSpace:
        """Read {"stem": {...}, "stages": [{...}, ...], "head": {...}} and perhaps "resolution". Raises ValueError."""
        if set(data) - {RESOLUTION} != {"stem", "stages", "head"}:
            given = ", ".join(sorted(data)) or "nothing"
            raise ValueError(f"a mobile space has a stem, stages and a head; given are {given}")
        stem = declared_part("stem", Stem, data["stem"])
        stages = declared_stages(data["stages"], stem.activation)
        head, resolution = declared_part("head", Head, data["head"]), declared_resolution(data.get(RESOLUTION))
        return cls(name, stem, stages, head, resolution)

    @property
    def stride(self) -> int:
        """The largest divisor of the images' side."""
        return self.stem.stride * math.prod(max(stage.stride) for stage in self.stages)

    @property
    def sides(self) -> tuple[int, ...]:
        """The choices of the stem's side: `resolution`, or 0 alone."""
        return self.resolution or (self.stem.side,)

    def size(self) -> int:
        return len(self.sides) * math.prod(
            len(stage.width) * len(stage.stride) * len(stage.activation) * sum(map(stage.ways, stage.depth))
            for stage in self.stages
        )

    def sample(self, random: Random) -> MobileArchitecture:
        found = []
        for stage in self.stages:
            # a depth is as likely as its share of the architectures; the total may be larger than any float
            left, depth = random.randrange(sum(map(stage.ways, stage.depth))), stage.depth[0]
            for depth in stage.depth:
                if left < stage.ways(depth):
                    break
                left -= stage.ways(depth)
            settings = (random.choice(stage.width), random.choice(stage.stride), random.choice(stage.activation))
            places = tuple(random.choice(stage.places(layer)) for layer in range(stage.layers(depth)))
            found.append(Chosen(depth, *settings, places))
        # no random number is drawn if there is no choice
        return self.made(found, random.choice(self.sides) if len(self.sides) > 1 else self.sides[0])

    def mutate(self, architecture: MobileArchitecture, random: Random) -> MobileArchitecture:
        """Change one setting of a stage, one factor of a layer (or leave it out) or the resolution, all equally likely;
        then a value.

        Never return the same. Added layers repeat the last one.
        """
        site, others = random.choice(list(self._mutations(architecture)))
        return self._changed(architecture, site, random.choice(others))

    def neighbours(self, architecture: MobileArchitecture) -> list[MobileArchitecture]:
        """Return all architectures that one mutation can make, each once."""
        return [
            self._changed(architecture, site, value)
            for site, others in self._mutations(architecture)
            for value in others
        ]

    def identity(self, architecture: MobileArchitecture) -> str:
        """Spell an architecture without identities and bounds of stages."""
        return str(architecture.simplified())

    def parse(self, text: str) -> MobileArchitecture:
        return self.check(parse_mobile(text))

    def check(self, architecture: MobileArchitecture) -> MobileArchitecture:
        """Return the architecture. Raises UserError if it is not in this space."""
        self._read(architecture)
        return architecture

    def decision(self, prefix: Sequence[int]) -> Decision | None:
        found = self._follow(prefix)
        return found if isinstance(found, Decision) else None

    def decode(self, choices: Sequence[int]) -> MobileArchitecture:
        found = self._follow(choices)
        if isinstance(found, Decision):
            raise ValueError(f"{len(choices)} decisions are too few: {found.kind} is not decided")
        return self.made(*found)

    def decided(self, architecture: MobileArchitecture) -> list[int]:
        names = [str(architecture.stem.side)]
        for chosen in self._read(architecture):
            names += [str(getattr(chosen, setting)) for setting in SETTINGS]
            names += [name for place in chosen.operations for name in spelled(place)]
        script = self._script()
        choices: list[int] = []
        kind, answers = next(script)
        for position, name in enumerate(names, start=1):
            if len(answers) > 1:
                choices.append(self._options[kind].index(name))
            if position < len(names):
                kind, answers = script.send(name)
        return choices

    def encode(self, architecture: MobileArchitecture) -> list[float]:
        """Concatenate one-hot vectors of the resolution, every setting and every layer's factors.

        Layers beyond the depth have zeros.
        """
        row: list[float] = []

        def one_hot(value: object, options: Sequence[object]) -> None:
            if len(options) > 1:
                row.extend(float(option == value) for option in options)

        one_hot(architecture.stem.side, self.sides)
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

    def describe(self, architecture: MobileArchitecture) -> tuple[Mapping[str, float], ...]:
        return described(architecture)

    def sites(self) -> Sites:
        """Return the resolution, every stage's settings and every layer's choice, its factors together."""
        counts = [len(self.resolution)] if self.resolution else []
        for stage in self.stages:
            counts += [len(getattr(stage, setting)) for setting in SETTINGS]
            counts += [len(stage.places(layer)) for layer in range(stage.layers(max(stage.depth)))]

        def made(indices: Sequence[int]) -> MobileArchitecture:
            left = iter(indices)
            side = self.sides[next(left) if self.resolution else 0]
            found = []
            for stage in self.stages:
                depth, width, stride, activation = (getattr(stage, setting)[next(left)] for setting in SETTINGS)
                places = [stage.places(layer)[next(left)] for layer in range(stage.layers(max(stage.depth)))]
                found.append(Chosen(depth, width, stride, activation, tuple(places[: stage.layers(depth)])))
            return self.made(found, side)

        return Sites(tuple(counts), made)

    def smallest(self) -> MobileArchitecture:
        """Return the architecture with the least of everything. Raises ValueError if there is none."""
        return self._extreme(largest=False, strict=True)

    def largest(self, *, strict: bool = True) -> MobileArchitecture:
        """Return the architecture with the most of everything and the finest strides.

        If a layer has no largest choice, raise ValueError; unless `strict`, take its largest kernel, then expansion.
        """
        return self._extreme(largest=True, strict=strict)

    def _extreme(self, *, largest: bool, strict: bool) -> MobileArchitecture:
        most = max if largest else min
        chosen = []
        for number, stage in enumerate(self.stages):
            depth = most(stage.depth)
            places = tuple(
                extreme_place(stage, layer, f"layer {layer + 1} of stage {number + 1}", largest=largest, strict=strict)
                for layer in range(stage.layers(depth))
            )
            # a finer stride is a larger network
            stride = min(stage.stride) if largest else max(stage.stride)
            chosen.append(Chosen(depth, most(stage.width), stride, stage.activation[0], places))
        return self.made(chosen, most(self.sides))

    def made(self, chosen: Sequence[Chosen], side: int) -> MobileArchitecture:
        """Make the architecture of every stage's choices and one of the `sides`, unchecked."""
        return MobileArchitecture(replace(self.stem, side=side), tuple(map(blocks, chosen)), self.head)

    def _mutations(self, architecture: MobileArchitecture) -> Iterator[tuple[int | None, list[Any]]]:
        """Yield (stage, its mutations) for each setting and layer that can change; (None, other sides) if they can."""
        yield from self._sites(self._read(architecture))
        if others := [one for one in self.sides if one != architecture.stem.side]:
            yield None, others

    def _changed(self, architecture: MobileArchitecture, site: int | None, value: Any) -> MobileArchitecture:
        if site is None:
            return replace(architecture, stem=replace(architecture.stem, side=value))
        stages = architecture.stages
        return replace(architecture, stages=(*stages[:site], blocks(value), *stages[site + 1 :]))

    def _sites(self, chosen: Sequence[Chosen]) -> Iterator[tuple[int, list[Chosen]]]:
        """Yield (stage, its mutations) for each setting and each layer that can change."""
        for number, (stage, now) in enumerate(zip(self.stages, chosen, strict=True)):
            for setting in SETTINGS:
                values = [value for value in getattr(stage, setting) if value != getattr(now, setting)]
                if values:
                    yield number, [changed(stage, now, setting, value) for value in values]
            for layer, place in enumerate(now.operations):
                others = stage.others(layer, place)
                if others:
                    before, after = now.operations[:layer], now.operations[layer + 1 :]
                    yield number, [now._replace(operations=(*before, other, *after)) for other in others]

    def _read(self, architecture: MobileArchitecture) -> list[Chosen]:
        """Return every stage's choices. Raises UserError if the architecture is not in this space."""

        def refuse(words: str) -> UserError:
            return UserError(f"{architecture}: {words} (space {self.name})")

        side = architecture.stem.side
        if side not in self.sides:
            theirs = f"to {side} pixels" if side else "not at all"
            allowed = f"to {' or '.join(map(str, self.resolution))}" if self.resolution else "not at all"
            raise refuse(f"it resizes its images {theirs}, the space's do so {allowed}")
        ours = replace(architecture, stem=replace(self.stem, side=side), head=self.head)
        for part, position in (("stem", 0), ("head", -1)):
            if getattr(architecture, part) != getattr(ours, part):
                raise refuse(f"its {part} is not the space's, {str(ours).split('/')[position]}")
        if len(architecture.stages) != len(self.stages):
            raise refuse(f"it has {len(architecture.stages)} stages, the space has {len(self.stages)}")
        found = []
        for number, (stage, layers) in enumerate(zip(self.stages, architecture.stages, strict=True)):
            where = f"stage {number + 1}"
            first = layers[0]
            activation = next((one.activation for one in layers if one.operation is not None), stage.activation[0])
            operations = tuple(block.operation for block in layers[: stage.layers(len(layers))])
            now = Chosen(len(layers), first.width, first.stride, activation, operations)
            for setting in SETTINGS:
                value, allowed = getattr(now, setting), getattr(stage, setting)
                if value not in allowed:
                    raise refuse(f"the {setting} of {where} is {value}, not {' or '.join(map(str, allowed))}")
            for layer, place in enumerate(now.operations):
                if place not in stage.places(layer):
                    known = ", ".join(map(operation_name, stage.places(layer)))
                    raise refuse(f"layer {layer + 1} of {where} is {operation_name(place)}; it can be {known}")
            if blocks(now) != layers:
                words = f"the layers of {where} must have one width and activation, the stride in the first"
                raise refuse(f"{words}, and be all the same" if stage.by == "stage" else words)
            found.append(now)
        return found

    @cached_property
    def _options(self) -> dict[str, tuple[str, ...]]:
        """By kind of decision, all options of the space, words first, then numbers by size."""
        found: dict[str, set[str]] = {kind: set() for kind in (RESOLUTION, *SETTINGS, *FACTORS)}
        found[RESOLUTION].update(map(str, self.sides))
        for stage in self.stages:
            for setting in SETTINGS:
                found[setting].update(map(str, getattr(stage, setting)))
            for place in (*stage.places(0), *stage.places(1)):
                for kind, name in zip(FACTORS, spelled(place), strict=True):
                    found[kind].add(name)
        # a layer left out has no expansion and no squeeze-excitation
        return {kind: tuple(sorted(names - {""}, key=_by_size)) for kind, names in found.items()}

    def _script(self) -> Generator[tuple[str, tuple[str, ...]], str, tuple[list[Chosen], int]]:
        """Yield kinds of decisions with one or more answers, receive an answer, return what `made` takes."""
        side = int((yield RESOLUTION, tuple(map(str, self.sides))))
        found = []
        for stage in self.stages:
            answers = []
            for setting in SETTINGS:
                answers.append((yield setting, tuple(map(str, getattr(stage, setting)))))
            depth, width, stride = map(int, answers[:3])
            places: list[Place] = []
            for layer in range(stage.layers(depth)):
                left = stage.places(layer)
                for factor, kind in enumerate(FACTORS):
                    name = yield kind, tuple(dict.fromkeys(spelled(place)[factor] for place in left))
                    left = tuple(place for place in left if spelled(place)[factor] == name)
                places.append(left[0])
            found.append(Chosen(depth, width, stride, answers[3], tuple(places)))
        return found, side

    def _follow(self, choices: Sequence[int]) -> Decision | tuple[list[Chosen], int]:
        """Return the decision after `choices`, or what `made` takes if none is left. Raises ValueError."""
        script, left = self._script(), list(choices)
        try:
            kind, names = next(script)
            while True:
                if len(names) == 1:
                    kind, names = script.send(names[0])
                    continue
                options = self._options[kind]
                allowed = tuple(sorted(map(options.index, names)))
                if not left:
                    return Decision(kind, options, allowed)
                choice = left.pop(0)
                if choice not in allowed:
                    known = ", ".join(f"{one} ({options[one]})" for one in allowed)
                    raise ValueError(f"decision {len(choices) - len(left)}, {kind}, is {choice}, not {known}")
                kind, names = script.send(options[choice])
        except StopIteration as stop:
            if left:
                raise ValueError(f"{len(choices)} decisions are {len(left)} too many") from None
            return stop.value


def _by_size(name: str) -> tuple[float, str]:
    try:
        return float(name), ""
    except ValueError:
        return -1.0, name
