"""Spaces of language models: choices for the whole network and for each layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any, NamedTuple

from nas_steps.errors import UserError
from nas_steps.spaces.language.architectures import LanguageArchitecture, Layer
from nas_steps.spaces.language.costs import count_layer
from nas_steps.spaces.language.declarations import SETTINGS, Choices, Size, declared_choices, named, settings_of
from nas_steps.spaces.language.description import described
from nas_steps.spaces.language.parsing import parse_language
from nas_steps.spaces.protocol import Decision, Sites

#: kinds of decisions, in their order; the last two are those of each layer
DEPTH, WIDTH, MIXER, FEED_FORWARD = "depth", "width", "mixer", "feed_forward"
KINDS = (DEPTH, WIDTH, *SETTINGS, MIXER, FEED_FORWARD)

#: tokens of the sequence for which layers of as many parameters are compared
COMPARED_AT = 1024


class Chosen(NamedTuple):
    """What an architecture takes of the choices; `layers` has one entry if all layers are the same by declaration."""

    size: Size
    settings: tuple[str, ...]
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class LanguageSpace:
    """All language models with these choices. Raises ValueError if there is nothing to search."""

    name: str
    choices: Choices

    def __post_init__(self) -> None:
        if self.size() == 1:
            raise ValueError("there is nothing to choose; give a list of two or more for some key")

    @classmethod
    def declare(cls, name: str, data: Mapping[str, Any]) -> LanguageSpace:
        """Read the keys of `nas_steps.spaces.language.declarations.KEYS`. Raises ValueError."""
        return cls(name, declared_choices(data))

    def size(self) -> int:
        ways = sum(map(self.choices.ways, self.choices.sizes))
        return math.prod(map(len, self.choices.settings)) * ways

    def sample(self, random: Random) -> LanguageArchitecture:
        choices = self.choices
        # a size is as likely as its share of the architectures; the total may be larger than any float
        left, size = random.randrange(sum(map(choices.ways, choices.sizes))), choices.sizes[0]
        for size in choices.sizes:
            if left < choices.ways(size):
                break
            left -= choices.ways(size)
        settings = tuple(random.choice(values) for values in choices.settings)
        layers = tuple(random.choice(choices.places) for _ in range(choices.layers(size.depth)))
        return self.made(Chosen(size, settings, layers))

    def mutate(self, architecture: LanguageArchitecture, random: Random) -> LanguageArchitecture:
        """Change the depth, the width, a setting, or the mixer or feed-forward network of a layer.

        All that can change are equally likely; then all values are. Never return the same. Added layers repeat the
        last one. If some depths do not go with all widths, both change at once.
        """
        others = random.choice(list(self._mutations(self._read(architecture))))
        return self.made(random.choice(others))

    def neighbours(self, architecture: LanguageArchitecture) -> list[LanguageArchitecture]:
        """Return all architectures that one mutation can make, each once."""
        return [self.made(one) for others in self._mutations(self._read(architecture)) for one in others]

    def identity(self, architecture: LanguageArchitecture) -> str:
        """Spell an architecture without what has no effect; see `LanguageArchitecture.simplified`."""
        return str(architecture.simplified())

    def parse(self, text: str) -> LanguageArchitecture:
        return self.check(parse_language(text))

    def check(self, architecture: LanguageArchitecture) -> LanguageArchitecture:
        """Return the architecture. Raises UserError if it is not in this space."""
        self._read(architecture)
        return architecture

    def decision(self, prefix: Sequence[int]) -> Decision | None:
        found = self._follow(prefix)
        return found if isinstance(found, Decision) else None

    def decode(self, choices: Sequence[int]) -> LanguageArchitecture:
        found = self._follow(choices)
        if isinstance(found, Decision):
            raise ValueError(f"{len(choices)} decisions are too few: {found.kind} is not decided")
        return self.made(found)

    def decided(self, architecture: LanguageArchitecture) -> list[int]:
        chosen = self._read(architecture)
        names = [str(chosen.size.depth), str(chosen.size.width), *chosen.settings]
        names += [named(part) for layer in chosen.layers for part in (layer.mixer, layer.feed_forward)]
        script = self._script()
        choices: list[int] = []
        kind, answers = next(script)
        for position, name in enumerate(names, start=1):
            if len(answers) > 1:
                choices.append(self._options[kind].index(name))
            if position < len(names):
                kind, answers = script.send(name)
        return choices

    def encode(self, architecture: LanguageArchitecture) -> list[float]:
        """Concatenate one-hot vectors of the depth, the width, each setting and each layer's two parts.

        Layers beyond the depth have zeros.
        """
        chosen = self._read(architecture)
        row: list[float] = []

        def one_hot(kind: str, name: str | None) -> None:
            if len(self._options[kind]) > 1:
                row.extend(float(option == name) for option in self._options[kind])

        one_hot(DEPTH, str(chosen.size.depth))
        one_hot(WIDTH, str(chosen.size.width))
        for kind, value in zip(SETTINGS, chosen.settings, strict=True):
            one_hot(kind, value)
        for number in range(self.choices.layers(max(self.choices.depths))):
            layer = chosen.layers[number] if number < len(chosen.layers) else None
            one_hot(MIXER, None if layer is None else named(layer.mixer))
            one_hot(FEED_FORWARD, None if layer is None else named(layer.feed_forward))
        return row

    def describe(self, architecture: LanguageArchitecture) -> tuple[Mapping[str, float], ...]:
        return described(architecture)

    def sites(self) -> Sites:
        """Return the size, every setting and every layer's choice, its mixer and feed-forward network together."""
        choices = self.choices
        layers = choices.layers(max(choices.depths))
        counts = [len(choices.sizes), *map(len, choices.settings), *[len(choices.places)] * layers]

        def made(indices: Sequence[int]) -> LanguageArchitecture:
            left = iter(indices)
            size = choices.sizes[next(left)]
            settings = tuple(values[next(left)] for values in choices.settings)
            every = tuple(choices.places[index] for index in left)
            return self.made(Chosen(size, settings, every[: choices.layers(size.depth)]))

        return Sites(tuple(counts), made)

    def common_settings(self) -> tuple[str, ...]:
        """Return the settings that all networks have. Raises ValueError if there is a choice."""
        for key, values in zip(SETTINGS, self.choices.settings, strict=True):
            if len(values) > 1:
                raise ValueError(
                    f"the networks of space {self.name} differ in {key} ({', '.join(values)}): they can share weights "
                    f"over depth, width, mixers and feed-forward networks only; give {key} one value"
                )
        return tuple(values[0] for values in self.choices.settings)

    def largest(self) -> LanguageArchitecture:
        """Return the deepest and widest network of the layer with most parameters. Raises ValueError without one."""
        return self._extreme(max)

    def smallest(self) -> LanguageArchitecture:
        """Return the shallowest and narrowest network of the layer with fewest parameters; as `largest`."""
        return self._extreme(min)

    def _extreme(self, most: Callable[..., Any]) -> LanguageArchitecture:
        choices, settings = self.choices, self.common_settings()
        size = Size(most(choices.depths), most(choices.widths))
        if size not in choices.sizes:
            raise ValueError(
                f"space {self.name} has no network of {size.depth} layers and width {size.width}, which would be its "
                f"{'largest' if most is max else 'smallest'}; give depth and width instead of sizes"
            )
        frame = choices.frame(size.width, settings)
        layer = most(choices.places, key=lambda one: count_layer(one, frame, COMPARED_AT))
        return self.made(Chosen(size, settings, (layer,) * choices.layers(size.depth)))

    def made(self, chosen: Chosen) -> LanguageArchitecture:
        """Make the architecture of choices, unchecked."""
        layers = chosen.layers * (chosen.size.depth if self.choices.by == "network" else 1)
        return LanguageArchitecture(self.choices.frame(chosen.size.width, chosen.settings), layers)

    def _mutations(self, now: Chosen) -> Iterator[list[Chosen]]:
        """Yield the other values of everything that can change."""
        for sizes in self._other_sizes(now.size):
            yield [now._replace(size=size, layers=self._resized(now.layers, size.depth)) for size in sizes]
        for place, values in enumerate(self.choices.settings):
            others = [value for value in values if value != now.settings[place]]
            before, after = now.settings[:place], now.settings[place + 1 :]
            if others:
                yield [now._replace(settings=(*before, value, *after)) for value in others]
        for number, layer in enumerate(now.layers):
            before_it, after_it = now.layers[:number], now.layers[number + 1 :]
            mixers = [Layer(one, layer.feed_forward) for one in self.choices.mixers if one != layer.mixer]
            rest = [Layer(layer.mixer, one) for one in self.choices.feed_forwards if one != layer.feed_forward]
            for others_of_it in filter(None, (mixers, rest)):
                yield [now._replace(layers=(*before_it, one, *after_it)) for one in others_of_it]

    def _other_sizes(self, now: Size) -> Iterator[list[Size]]:
        others = [size for size in self.choices.sizes if size != now]
        if self.choices.is_product:
            by_depth = [size for size in others if size.width == now.width]
            yield from filter(None, (by_depth, [size for size in others if size.depth == now.depth]))
        elif others:
            yield others

    def _resized(self, layers: tuple[Layer, ...], depth: int) -> tuple[Layer, ...]:
        count = self.choices.layers(depth)
        return (layers + layers[-1:] * max(0, count - len(layers)))[:count]

    def _read(self, architecture: LanguageArchitecture) -> Chosen:
        """Return the choices. Raises UserError if the architecture is not in this space."""

        def refuse(words: str) -> UserError:
            return UserError(f"{architecture}: {words} (space {self.name})")

        choices, frame = self.choices, architecture.frame
        if frame.vocabulary != choices.vocabulary:
            raise refuse(f"its vocabulary has {frame.vocabulary} tokens, the space's has {choices.vocabulary}")
        size = Size(architecture.depth, frame.width)
        if size not in choices.sizes:
            allowed = ", ".join(f"{one.depth} x {one.width}" for one in choices.sizes)
            raise refuse(f"depth x width is {size.depth} x {size.width}; the space has {allowed}")
        settings = settings_of(frame)
        for key, value, values in zip(SETTINGS, settings, choices.settings, strict=True):
            if value not in values:
                raise refuse(f"the {key} is {value}, not {' or '.join(values)}")
        for number, layer in enumerate(architecture.layers, start=1):
            for what, part, parts in (
                ("mixer", layer.mixer, choices.mixers),
                ("feed-forward network", layer.feed_forward, choices.feed_forwards),
            ):
                if part not in parts:
                    words = f"the {what} of layer {number} is {named(part)}; it can be {', '.join(map(named, parts))}"
                    raise refuse(words)
        layers = architecture.layers
        if choices.by == "network" and len(set(layers)) > 1:
            raise refuse("its layers must be all the same")
        return Chosen(size, settings, layers[: choices.layers(size.depth)])

    @cached_property
    def _options(self) -> dict[str, tuple[str, ...]]:
        """All options of the space by kind of decision."""
        choices = self.choices
        values = [tuple(map(str, choices.depths)), tuple(map(str, choices.widths)), *choices.settings]
        values += [tuple(map(named, choices.mixers)), tuple(map(named, choices.feed_forwards))]
        return dict(zip(KINDS, values, strict=True))

    def _script(self) -> Generator[tuple[str, tuple[str, ...]], str, Chosen]:
        """Yield kinds of decisions with one or more answers, receive an answer, return the choices."""
        depth = int((yield DEPTH, self._options[DEPTH]))
        width = int((yield WIDTH, tuple(str(size.width) for size in self.choices.sizes if size.depth == depth)))
        settings = []
        for kind in SETTINGS:
            settings.append((yield kind, self._options[kind]))
        mixers = {named(one): one for one in self.choices.mixers}
        feed_forwards = {named(one): one for one in self.choices.feed_forwards}
        layers = []
        for _ in range(self.choices.layers(depth)):
            mixer = mixers[(yield MIXER, self._options[MIXER])]
            layers.append(Layer(mixer, feed_forwards[(yield FEED_FORWARD, self._options[FEED_FORWARD])]))
        return Chosen(Size(depth, width), tuple(settings), tuple(layers))

    def _follow(self, choices: Sequence[int]) -> Decision | Chosen:
        """Return the decision after `choices`, or all that is chosen if none is left. Raises ValueError."""
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
                    words = ", ".join(f"{one} ({options[one]})" for one in allowed)
                    raise ValueError(f"decision {len(choices) - len(left)}, {kind}, is {choice}, not {words}")
                kind, names = script.send(options[choice])
        except StopIteration as stop:
            if left:
                raise ValueError(f"{len(choices)} decisions are {len(left)} too many") from None
            return stop.value
