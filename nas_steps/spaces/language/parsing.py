"""Read the string of a language model; its grammar is in `nas_steps.spaces.language.architectures`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nas_steps.errors import UserError, exact, known
from nas_steps.spaces.language.architectures import (
    ACTIVATIONS,
    BASE,
    FLAGS,
    NORMS,
    Attention,
    FeedForward,
    Frame,
    LanguageArchitecture,
    Layer,
    LinearAttention,
    MinGru,
    Mixer,
    ShortConvolution,
)

MIXERS = ("attn", "conv", "gla", "gru", "none")
FEED_FORWARDS = (*ACTIVATIONS, "none")
#: of each part: fields with a number, fields without one, required fields
FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "lm": (("v", "d", "rope", "pos", "cap"), ("rope", "nope", *NORMS, *FLAGS), ("v", "d")),
    "attn": (("h", "kv", "w", "c"), ("qkn", "vr"), ("h",)),
    "conv": (("k",), (), ("k",)),
    "gla": (("h",), (), ("h",)),
    "gru": (("e",), (), ("e",)),
    **dict.fromkeys(ACTIVATIONS, (("e",), (), ("e",))),
    "none": ((), (), ()),
}
#: lowest and highest value of each field, which is a whole number if its limits are
LIMITS: dict[str, tuple[float, float]] = {
    "v": (2, 10_000_000),
    "d": (2, 100_000),
    "rope": (1.0, 1e9),
    "pos": (1, 10_000_000),
    "cap": (0.1, 1e6),
    "h": (1, 1000),
    "kv": (1, 1000),
    "w": (2, 1_000_000),
    "c": (2, 31),
    "k": (2, 31),
    "e": (0.01, 100.0),
    "depth": (1, 1000),
}
#: words of which a frame has one
EXCLUSIVE = (("rope", "nope", "pos"), NORMS)
NUMBER = r"\d+\.?\d*(?:e[+-]?\d+)?|\.\d+"


def parse_language(text: str) -> LanguageArchitecture:
    """Read a language model. Raises UserError, which names the character, what is given and what is allowed."""
    text = text.strip()
    parts = list(_split(text, "/", 0))
    if len(parts) < 2 or not is_language(text):
        raise UserError(
            f"{text!r} is no language model; one is spelled lm_v256_d128/LAYER/..., each layer a mixer and a "
            "feed-forward network, such as 4x_attn_h4+gelu_e4"
        )
    first = _Part(text, *parts[0], "part", ("lm",))
    frame = _frame(first)
    layers: list[Layer] = []
    for part, start in parts[1:]:
        count, part, start = _count(text, part, start)
        layers += [_layer(text, part, start, frame)] * count
    low, high = LIMITS["depth"]
    if len(layers) > high:
        raise UserError(f"{text!r} has {len(layers)} layers; from {low} to {high} are allowed")
    return LanguageArchitecture(frame, tuple(layers))


def is_language(text: str) -> bool:
    """Return whether the string starts as a language model, valid or not."""
    return text.lstrip().startswith("lm_")


def parse_mixer(text: str) -> Mixer | None:
    """Read `attn_h4_kv2` or `none`. Raises ValueError."""
    try:
        return _mixer(_Part(text, text, 0, "mixer", MIXERS), None)
    except UserError as error:
        raise ValueError(str(error)) from None


def parse_feed_forward(text: str) -> FeedForward | None:
    """Read `swiglu_e2.667` or `none`. Raises ValueError."""
    try:
        return _feed_forward(_Part(text, text, 0, "feed-forward network", FEED_FORWARDS))
    except UserError as error:
        raise ValueError(str(error)) from None


def misfit(mixer: Mixer | None, frame: Frame) -> str:
    """Return in words why a mixer does not fit the width, "" if it does."""
    width = frame.width
    if isinstance(mixer, Attention):
        if width % mixer.heads:
            return f"h must divide d, but {mixer.heads} does not divide {width}"
        if mixer.heads % mixer.kv_heads:
            return f"kv must divide h, but {mixer.kv_heads} does not divide {mixer.heads}"
        if frame.base and width // mixer.heads % 2:
            return f"rotary positions need heads of an even width, but d / h is {width // mixer.heads}"
    if isinstance(mixer, LinearAttention) and width % (2 * mixer.heads):
        return f"2 h must divide d, but {2 * mixer.heads} does not divide {width}"
    return ""


def parse_frame(text: str) -> Frame:
    """Read `lm_v256_d128_rope_rms`. Raises UserError."""
    return _frame(_Part(text, text, 0, "part", ("lm",)))


def _frame(part: _Part) -> Frame:
    given = part.given
    return Frame(
        vocabulary=int(given["v"]),
        width=int(given["d"]),
        base=0.0 if "nope" in given or "pos" in given else given.get("rope") or BASE,
        positions=int(given.get("pos", 0)),
        norm=next((one for one in NORMS if one in given), NORMS[0]),
        cap=given.get("cap", 0.0),
        **{name: word in given for word, name in FLAGS.items()},
    )


def _count(whole: str, text: str, start: int) -> tuple[int, str, int]:
    """Split `12x_attn_h4+gelu_e4` into the number of layers, the rest and its start."""
    match = re.match(r"(\d+)x_", text)
    if match is None:
        return 1, text, start
    low, high = LIMITS["depth"]
    if not low <= int(match[1]) <= high:
        words = f"a run of {match[1]} layers; from {low} to {high} are allowed"
        raise UserError(f"{whole!r}: {words} (at character {start + 1}, {match[0]!r})")
    return int(match[1]), text[match.end() :], start + match.end()


def _layer(whole: str, text: str, start: int, frame: Frame) -> Layer:
    parts = list(_split(text, "+", start))
    if len(parts) != 2:
        words = f"{text!r} is no layer; one is a mixer and a feed-forward network with + between, such as attn_h4+none"
        raise UserError(f"{whole!r}: {words} (at character {start + 1})")
    mixer = _mixer(_Part(whole, *parts[0], "mixer", MIXERS), frame)
    return Layer(mixer, _feed_forward(_Part(whole, *parts[1], "feed-forward network", FEED_FORWARDS)))


def _mixer(part: _Part, frame: Frame | None) -> Mixer | None:
    given = {name: int(value) for name, value in part.given.items() if name != "e"}
    mixer: Mixer | None = None
    if part.name == "attn":
        kv_heads = given.get("kv", given["h"])
        windows = given.get("w", 0), given.get("c", 0)
        mixer = Attention(given["h"], kv_heads, *windows, "qkn" in given, "vr" in given)
    elif part.name == "conv":
        mixer = ShortConvolution(given["k"])
    elif part.name == "gla":
        mixer = LinearAttention(given["h"])
    elif part.name == "gru":
        mixer = MinGru(part.given["e"])
    if frame is not None and (words := misfit(mixer, frame)):
        raise part.error(words)
    return mixer


def _feed_forward(part: _Part) -> FeedForward | None:
    return None if part.name == "none" else FeedForward(part.name, part.given["e"])


def _split(text: str, separator: str, start: int) -> Iterator[tuple[str, int]]:
    """Yield each piece with the position of its first character."""
    for piece in text.split(separator):
        yield piece, start
        start += len(piece) + 1


class _Part:
    """The fields of one part of a string: `given` has a number for each, 0 for a field without one."""

    def __init__(self, whole: str, text: str, start: int, what: str, names: tuple[str, ...]) -> None:
        self.whole, self.text, self.start = whole, text, start
        self.given: dict[str, float] = {}
        pieces = list(_split(text, "_", start))
        self.name = pieces[0][0]
        try:
            known(what, self.name, names)
        except ValueError as error:
            raise self.error(str(error)) from None
        for piece, at in pieces[1:]:
            self._read(piece, at)
        missing = [field for field in FIELDS[self.name][2] if field not in self.given]
        if missing:
            raise self.error(f"{self.name} needs {' and '.join(missing)}")

    def error(self, words: str, at: int | None = None, text: str | None = None) -> UserError:
        at = self.start if at is None else at
        return UserError(f"{self.whole!r}: {words} (at character {at + 1}, {text or self.text!r})")

    def _read(self, piece: str, at: int) -> None:
        numbers, words, _ = FIELDS[self.name]
        match = re.fullmatch(rf"([a-z]+)({NUMBER})", piece)
        if piece in words:
            field, value = piece, 0.0
        elif match is not None and match[1] in numbers:
            field, value = match[1], float(match[2])
            low, high = LIMITS[field]
            whole = isinstance(low, int)
            if not low <= value <= high or (whole and value != int(value)):
                kind = "a whole number" if whole else "a number"
                allowed = f"{kind} from {exact(low)} to {exact(high)}"
                raise self.error(f"{field} must be {allowed}, not {match[2]}", at, piece)
        else:
            raise self.error(f"{piece!r} is no field of {self.name}; {self._allowed()}", at, piece)
        for group in EXCLUSIVE if self.name == "lm" else ():
            before = [one for one in group if one in self.given and one != field]
            if field in group and before:
                raise self.error(f"{before[0]} and {field} exclude each other; give one", at, piece)
        if field in self.given:
            raise self.error(f"{field} is given twice", at, piece)
        self.given[field] = value

    def _allowed(self) -> str:
        numbers, words, _ = FIELDS[self.name]
        allowed = [f"{', '.join(numbers)}, each with a number"] if numbers else []
        allowed += [f"{', '.join(words)} without one"] if words else []
        return f"its fields are {'; '.join(allowed)}" if allowed else "it has no fields"
