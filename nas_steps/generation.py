"""Run an exported language model by onnxruntime: continue a text, and score one. Imports no torch.

The graph of such a file reads one token of each sequence:

- Inputs are `tokens`, int64 (N,), `position`, int64 (), and the state of the layers.
- Outputs are `logits` of the next tokens, float32 (N, vocabulary), and the state after the token, in the same order.

A state begins as zeros. Keys and values of attention begin without a token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_steps.data.text.store import TOKENIZER
from nas_steps.data.text.tokens import START, Bytes, Tokens, read_bpe
from nas_steps.errors import UserError
from nas_steps.metrics import bits_per_byte
from nas_steps.provenance.regular import MISSING, irregular

#: what the metadata of the file say, by key
KIND, LANGUAGE = "kind", "language"
#: the first two inputs of the graph
TOKENS, POSITION = "tokens", "position"
#: windows that are scored at once
AT_ONCE = 32

Numbers = NDArray[Any]


class Past(NamedTuple):
    """The number of tokens so far, and the state by name of the input."""

    position: int
    state: Mapping[str, Numbers]


class Windows(NamedTuple):
    """Windows to score, each (windows, context): int64 `inputs`, the int64 token after each, and which of them count.

    A START does not count, nor what fills the last window.
    """

    inputs: Numbers
    targets: Numbers
    counted: Numbers


class Scored(NamedTuple):
    """Sums over a text: nats, bytes, tokens, and tokens that were predicted right."""

    nats: float
    bytes: int
    tokens: int
    right: int

    @property
    def bits_per_byte(self) -> float:
        return bits_per_byte(np.array(self.nats), np.array(self.bytes))

    @property
    def accuracy(self) -> float:
        return self.right / self.tokens


class LanguageSession:
    """An exported language model; `session` is one of onnxruntime, `context` the tokens that it has learnt to see."""

    def __init__(self, session: Any, tokens: Tokens, context: int) -> None:
        self.session, self.tokens, self.context = session, tokens, context
        self._state = [one for one in session.get_inputs() if one.name not in (TOKENS, POSITION)]
        self._given = {one.name for one in session.get_inputs()}

    def start(self, count: int) -> Past:
        """Return the state of `count` sequences before the first token."""
        shapes = [(one.name, [size if isinstance(size, int) else 0 for size in one.shape[1:]]) for one in self._state]
        return Past(0, {name: np.zeros([count, *shape], np.float32) for name, shape in shapes})

    def step(self, tokens: Numbers, past: Past) -> tuple[Numbers, Past]:
        """Read one token of each sequence (N,); return logits (N, vocabulary) and the state after it."""
        feed = {TOKENS: np.asarray(tokens, np.int64), POSITION: np.array(past.position, np.int64), **past.state}
        logits, *after = self.session.run(None, {name: feed[name] for name in self._given})
        names = (one.name for one in self._state)
        return logits, Past(past.position + 1, dict(zip(names, after, strict=True)))

    def costs(self, windows: Windows) -> tuple[Numbers, Numbers]:
        """Return the nats of the targets, float64 (windows, context), and whether they are the likeliest tokens."""
        nats, right = np.zeros(windows.inputs.shape), np.zeros(windows.inputs.shape, bool)
        past = self.start(len(nats))
        rows = np.arange(len(nats))
        # the columns after the last token that counts are left out
        for column in range(int(np.flatnonzero(windows.counted.any(axis=0)).max(initial=-1)) + 1):
            logits, past = self.step(windows.inputs[:, column], past)
            logits, targets = logits.astype(np.float64), windows.targets[:, column]
            largest = logits.max(axis=1)
            total = np.log(np.exp(logits - largest[:, None]).sum(axis=1)) + largest
            nats[:, column] = total - logits[rows, targets]
            right[:, column] = logits.argmax(axis=1) == targets
        return nats, right

    def score(self, windows: Windows) -> Scored:
        """Sum what predicting the text of some windows costs."""
        found = Scored(0.0, 0, 0, 0)
        for first in range(0, len(windows.inputs), AT_ONCE):
            some = Windows(*(one[first : first + AT_ONCE] for one in windows))
            (nats, right), counted = self.costs(some), some.counted
            sizes = self.tokens.bytes_of[some.targets[counted]]
            sums = nats[counted].sum(), sizes.sum(), counted.sum(), right[counted].sum()
            found = Scored(float(found.nats + sums[0]), *(int(a + b) for a, b in zip(found[1:], sums[1:], strict=True)))
        return found

    def continued(self, prompt: bytes, count: int, *, temperature: float = 1.0, seed: int = 0) -> Iterator[int]:
        """Yield `count` tokens that go on with `prompt`, the start of a document.

        Each is drawn from the softmax of logits / `temperature`; at 0 it is the likeliest one. No START is drawn. The
        time of a token does not grow with the text: once the context is full, the last half of it is read anew.
        """
        dice = np.random.default_rng(seed)
        numbers = [START, *self.tokens.encode(prompt).tolist()]
        half = max(1, self.context // 2)
        unread = numbers if len(numbers) <= self.context else numbers[-half:]
        past = self.start(1)
        for _ in range(count):
            if past.position + len(unread) > self.context:
                past, unread = self.start(1), numbers[-half:]
            for number in unread:
                logits, past = self.step(np.array([number]), past)
            numbers.append(drawn(logits[0], temperature, dice))
            unread = numbers[-1:]
            yield numbers[-1]


def drawn(logits: Numbers, temperature: float, dice: np.random.Generator) -> int:
    """Draw a token but START from logits (vocabulary,); at temperature 0, return the likeliest."""
    logits = np.asarray(logits, np.float64).copy()
    logits[START] = -np.inf
    if not temperature:
        return int(logits.argmax())
    reached = np.exp((logits - logits.max()) / temperature).cumsum()
    place = int(np.searchsorted(reached, dice.random() * reached[-1], side="right"))
    # a product that is rounded up to the whole has no token after it
    return min(place, int(np.flatnonzero(np.isfinite(logits)).max()))


def windows_of(stream: Numbers, starts: Sequence[int] | Numbers, context: int, limit: int | None = None) -> Windows:
    """Cut a stream of tokens (M,) into windows, as `DeviceText.windows` does; `starts` are the places of START.

    `limit` is the largest number of full windows; they are spread over the whole text.
    """
    count = -(-(len(stream) - 1) // context)
    chosen = np.arange(count)
    if limit is not None and limit < count:
        chosen = np.linspace(0, max(0, (len(stream) - 1) // context - 1), limit).round().astype(np.int64)
    places = chosen[:, None] * context + np.arange(context + 1)
    inside = places < len(stream)
    tokens = np.where(inside, np.asarray(stream)[np.minimum(places, len(stream) - 1)], START).astype(np.int64)
    counted = (inside & ~np.isin(places, starts))[:, 1:]
    return Windows(tokens[:, :-1], tokens[:, 1:], counted)


def windows_of_text(tokens: Tokens, content: bytes, context: int) -> Windows:
    """Cut a document into the windows that score each of its tokens once."""
    return windows_of(np.concatenate([[START], tokens.encode(content)]).astype(np.int64), [0], context)


def is_language(properties: Mapping[str, str]) -> bool:
    """Return whether the metadata of an ONNX file are those of a language model."""
    return properties.get(KIND) == LANGUAGE


def open_language(path: str | Path, session: Any) -> LanguageSession:
    """Return the language model of a file that `session` has opened. Raises UserError if it cannot be used."""
    properties = session.get_modelmeta().custom_metadata_map
    try:
        context, vocabulary = int(properties["context"]), int(properties["vocabulary"])
        kind = {"bytes": "bytes", "bpe": "bpe"}[properties["tokens"]]
        inputs = {one.name: one.type for one in session.get_inputs()}
        if context < 1 or session.get_outputs()[0].shape[1:] != [vocabulary] or inputs[TOKENS] != "tensor(int64)":
            raise ValueError
    except (KeyError, ValueError):
        raise UserError(
            f"{path} does not take int64 tokens, or does not say its tokens, vocabulary and context; it was not "
            "exported by nas-steps"
        ) from None
    tokens: Tokens = Bytes()
    if kind == "bpe":
        file = Path(path).with_name(TOKENIZER)
        if not file.is_file():
            raise UserError(f"{path} reads byte pairs, but {file} is missing; copy it from where {path} was exported")
        tokens = read_bpe(file)
    if tokens.size != vocabulary:
        raise UserError(
            f"{path} has {vocabulary} tokens, but {TOKENIZER} beside it has {tokens.size}; copy the one that was "
            "exported with it"
            if kind == "bpe"
            else f"{path} has {vocabulary} tokens, but there are {tokens.size} bytes; it was not exported by nas-steps"
        )
    return LanguageSession(session, tokens, context)


def content_of(path: str | Path) -> bytes:
    """Return the bytes of a text file. Raises UserError if it cannot be read, or has none."""
    if (reason := irregular(path)) is not None:
        raise UserError(f"there is no file {path}" if reason == MISSING else f"{path} {reason}; name a file of text")
    content = Path(path).read_bytes()
    if not content:
        raise UserError(f"{path} is empty; name a file of text")
    return content
