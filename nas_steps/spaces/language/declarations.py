"""Read the choices of a space of language models from plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from nas_steps.errors import UserError, exact, known
from nas_steps.spaces.language.architectures import FLAGS, NORMS, FeedForward, Frame, Layer, Mixer
from nas_steps.spaces.language.parsing import LIMITS, misfit, parse_feed_forward, parse_frame, parse_mixer

#: choices of the whole network besides its depth and width, in the order of the decisions, and their defaults
SETTINGS = {
    "position": ("rope",),
    "norm": ("rms",),
    "order": ("sequential",),
    "embedding": ("untied",),
    "extras": ("none",),
}
ORDERS = ("sequential", "parallel")
EMBEDDINGS = ("untied", "tied")
#: fields of the frame that `extras` may name; `cap` has a number
EXTRAS = tuple(word for word in FLAGS if word not in ("tied", "par"))
#: which layers choose for themselves
BY = ("layer", "network")
KEYS = ("vocabulary", "depth", "width", "sizes", *SETTINGS, "mixer", "feed_forward", "by")


class Size(NamedTuple):
    """The layers and the width of a network."""

    depth: int
    width: int


@dataclass(frozen=True)
class Choices:
    """The choices of a space. A value is the word of the key; mixers and feed-forward networks are fields of strings.

    `settings` has the values of each of `SETTINGS`. With `by` "network" all layers are the same.
    """

    vocabulary: int
    sizes: tuple[Size, ...]
    settings: tuple[tuple[str, ...], ...]
    mixers: tuple[Mixer | None, ...]
    feed_forwards: tuple[FeedForward | None, ...]
    by: str = "layer"

    @property
    def depths(self) -> tuple[int, ...]:
        return tuple(sorted({size.depth for size in self.sizes}))

    @property
    def widths(self) -> tuple[int, ...]:
        return tuple(sorted({size.width for size in self.sizes}))

    @property
    def is_product(self) -> bool:
        """Whether every depth goes with every width."""
        return len(self.sizes) == len(self.depths) * len(self.widths)

    @property
    def places(self) -> tuple[Layer, ...]:
        """All layers."""
        return tuple(Layer(*both) for both in product(self.mixers, self.feed_forwards))

    def layers(self, depth: int) -> int:
        """Count the layers that choose for themselves."""
        return 1 if self.by == "network" else depth

    def ways(self, size: Size) -> int:
        """Count the combinations of layers at a size."""
        return (len(self.mixers) * len(self.feed_forwards)) ** self.layers(size.depth)

    def frame(self, width: int, settings: tuple[str, ...]) -> Frame:
        """Make the frame of one value for each of `SETTINGS`."""
        return frame_of(self.vocabulary, width, settings)


def frame_of(vocabulary: int, width: int, settings: tuple[str, ...]) -> Frame:
    """Make a frame of one value for each of `SETTINGS`."""
    position, norm, order, embedding, extras = settings
    words = [f"lm_v{vocabulary}_d{width}", position, norm]
    words += ["par"] * (order == "parallel") + ["tied"] * (embedding == "tied")
    return parse_frame("_".join(words + [extras] * (extras != "none")))


def settings_of(frame: Frame) -> tuple[str, ...]:
    """Return the value of each of `SETTINGS`, the inverse of `frame_of`."""
    order, embedding = ORDERS[frame.parallel], EMBEDDINGS[frame.tied]
    return frame.position, frame.norm, order, embedding, _extras_of(frame)


def declared_choices(data: Mapping[str, Any]) -> Choices:
    """Read {"vocabulary": 256, "depth": [2, 4], "width": [64, 96], "mixer": ["attn_h4"], ...}. Raises ValueError."""
    for key in data:
        known("key", str(key), KEYS)
    for key in ("vocabulary", "mixer", "feed_forward"):
        if data.get(key) is None:
            raise ValueError(f"a space of language models needs {key}")
    vocabulary = _whole("vocabulary", data["vocabulary"], *LIMITS["v"])
    given = {key: list(default) if data.get(key) is None else data[key] for key, default in SETTINGS.items()}
    settings = tuple(_several(key, value, _word) for key, value in given.items())
    mixers = _several("mixer", data["mixer"], lambda _, value: parse_mixer(_text(value)))
    feed_forwards = _several("feed_forward", data["feed_forward"], lambda _, value: parse_feed_forward(_text(value)))
    by = known("by", str(data.get("by", BY[0])), BY)
    choices = Choices(vocabulary, _sizes(data), settings, mixers, feed_forwards, by)
    _check_fit(choices)
    return choices


def keys_of(choices: Choices) -> dict[str, Any]:
    """Return the plain data that `declared_choices` reads."""
    sizes: dict[str, Any] = {"depth": list(choices.depths), "width": list(choices.widths)}
    if not choices.is_product:
        sizes = {"sizes": [list(size) for size in choices.sizes]}
    keys = {"vocabulary": choices.vocabulary, **sizes}
    keys |= {key: list(values) for key, values in zip(SETTINGS, choices.settings, strict=True)}
    keys["mixer"] = [named(one) for one in choices.mixers]
    keys["feed_forward"] = [named(one) for one in choices.feed_forwards]
    return {**keys, "by": choices.by}


def named(part: Mixer | FeedForward | None) -> str:
    """Spell a mixer or a feed-forward network."""
    return "none" if part is None else str(part)


def _sizes(data: Mapping[str, Any]) -> tuple[Size, ...]:
    pairs = data.get("sizes")
    if pairs is None:
        found = {}
        for key in ("depth", "width"):
            if data.get(key) is None:
                raise ValueError(f"a space of language models needs {key}, or sizes, a list of [depth, width]")
            found[key] = sorted(_several(key, data[key], lambda name, value: _whole(name, value, *_limits(name))))
        return tuple(Size(*both) for both in product(found["depth"], found["width"]))
    for key in ("depth", "width"):
        if data.get(key) is not None:
            raise ValueError(f"sizes has depths and widths; leave {key} out")
    if not isinstance(pairs, (list, tuple)) or not pairs:
        raise ValueError(f"sizes is {pairs!r}; a list of [depth, width] is expected")
    sizes = []
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise ValueError(f"sizes has {pair!r}; [depth, width] is expected")
        sizes.append(Size(*(_whole("sizes", one, *_limits(key)) for key, one in zip(Size._fields, pair, strict=True))))
    if len(set(sizes)) < len(sizes):
        raise ValueError(f"sizes: something stands twice in {[list(size) for size in sizes]}")
    return tuple(sorted(sizes))


def _limits(key: str) -> tuple[float, float]:
    return LIMITS["depth" if key == "depth" else "d"]


def _several(key: str, value: Any, read: Any) -> tuple[Any, ...]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if not values:
        raise ValueError(f"{key} is empty; name at least one")
    found = []
    for one in values:
        try:
            found.append(read(key, one))
        except (UserError, ValueError) as error:
            words = str(error)
            raise ValueError(words if words.startswith(f"{key} is") else f"{key}: {words}") from None
    if len(set(found)) < len(found):
        raise ValueError(f"{key}: something stands twice in {values}")
    return tuple(found)


def _whole(key: str, value: Any, low: float, high: float) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{key} is {value!r}; it must be a whole number from {exact(low)} to {exact(high)}")
    return value


def _text(value: Any) -> str:
    return "none" if value is None else str(value)


def _word(key: str, value: Any) -> str:
    """Return the canonical spelling of a setting."""
    text = str(value)
    if key == "norm":
        return known(key, text, NORMS)
    if key == "order":
        return known(key, text, ORDERS)
    if key == "embedding":
        return known(key, text, EMBEDDINGS)
    if key == "extras":
        return _extras(text)
    if not text.startswith(("rope", "nope", "pos")) or "_" in text:
        raise ValueError(f"{text!r} is no position; one is rope, rope500000, nope or pos256")
    return _frame_with(text).position


def _extras(text: str) -> str:
    """Return the canonical spelling of `bias` or `enorm_x0_unet_cap30`."""
    if text == "none":
        return text
    for word in text.split("_"):
        if word not in EXTRAS and not word.startswith("cap"):
            raise ValueError(f"{word!r} is none of {', '.join(EXTRAS)} and cap with a number; join them by _")
    return _extras_of(_frame_with(text))


def _frame_with(text: str) -> Frame:
    """Read a frame with some fields. Raises ValueError, which names these fields alone."""
    try:
        return parse_frame(f"lm_v2_d2_{text}")
    except UserError as error:
        words = str(error).partition(": ")[2].rpartition(" (at character")[0]
        raise ValueError(f"{text!r}: {words}") from None


def _extras_of(frame: Frame) -> str:
    kept = Frame(2, 2, cap=frame.cap, **{FLAGS[word]: getattr(frame, FLAGS[word]) for word in EXTRAS})
    return str(kept).removeprefix(str(Frame(2, 2))).removeprefix("_") or "none"


def _check_fit(choices: Choices) -> None:
    """Raise ValueError if a mixer does not fit one of the widths."""
    for width, position in product(choices.widths, choices.settings[0]):
        frame = parse_frame(f"lm_v2_d{width}_{position}")
        for mixer in choices.mixers:
            if words := misfit(mixer, frame):
                raise ValueError(f"mixer {mixer} does not fit width {width}: {words}")
