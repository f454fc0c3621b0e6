"""Bytes as tokens, and byte pairs of the training part (Sennrich et al. 2016) by the package `tokenizers`."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nas_steps.errors import UserError
from nas_steps.facts import BYTES

if TYPE_CHECKING:
    # a continued text needs no pydantic
    from nas_steps.config.text import TextData

#: the token before each document; of `bytes` it is the byte 0, of `bpe` a token of its own
START = 0
#: how byte pairs spell it: by no letter of LETTERS, so that no text holds it
START_TEXT = "\u2402"
#: a letter for each byte: its own below 128, above that a letter too, so that no word ends inside a character
LETTERS = "".join(chr(byte if byte < 128 else 0x100 + byte) for byte in range(BYTES))
#: where text is cut before pairs are joined: words, numbers and signs with the space before them, and white space
WORDS = r" ?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

Numbers = NDArray[Any]


class Tokens(Protocol):
    """Tokens of a kind.

    `size` is their number, `kind` the type of the stored numbers (uint8 or uint16), and `bytes_of` how many bytes each
    stands for, int64 (size,).
    """

    size: int
    kind: np.dtype[Any]
    bytes_of: Numbers

    def encode(self, content: bytes) -> Numbers:
        """Return the token numbers of a document, `kind` (tokens,), without START."""

    def decode(self, numbers: Numbers) -> bytes:
        """Return the bytes of tokens; START has none."""


class Bytes:
    """Each byte is a token."""

    size = BYTES
    kind = np.dtype(np.uint8)
    bytes_of = np.ones(BYTES, np.int64)

    def encode(self, content: bytes) -> Numbers:
        return np.frombuffer(content, np.uint8)

    def decode(self, numbers: Numbers) -> bytes:
        return np.asarray(numbers, np.uint8).tobytes()


class Bpe:
    """Byte pairs. `tokenizer` is one of the package `tokenizers`, over LETTERS; any bytes survive it unchanged."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.size: int = tokenizer.get_vocab_size()
        self.kind = np.dtype(np.uint16)
        self._texts = [b""] * self.size
        for text, number in tokenizer.get_vocab().items():
            if number != START:
                self._texts[number] = bytes(ord(letter) & 0xFF for letter in text)
        self.bytes_of = np.array([len(text) for text in self._texts], np.int64)

    def encode(self, content: bytes) -> Numbers:
        return np.array(self._tokenizer.encode(in_letters(content)).ids, self.kind)

    def decode(self, numbers: Numbers) -> bytes:
        return b"".join(self._texts[number] for number in np.asarray(numbers).tolist())

    def text(self) -> str:
        """Return the JSON that `read_bpe` reads."""
        return self._tokenizer.to_str(pretty=True)


def in_letters(content: bytes) -> str:
    """Return a letter of LETTERS for each byte."""
    return codecs.charmap_decode(content, "strict", LETTERS)[0]


def check_tokenizers(data: TextData) -> None:
    """Raise UserError if byte pairs are wanted, but the package is missing."""
    if data.tokens == "bpe":
        _package()


def train_bpe(contents: Iterable[bytes], size: int) -> Bpe:
    """Return byte pairs of these documents. Raises UserError if they have too few for `size` tokens."""
    package = _package()
    tokenizer = package.Tokenizer(package.models.BPE())
    tokenizer.pre_tokenizer = package.pre_tokenizers.Split(package.Regex(WORDS), "isolated")
    trainer = package.trainers.BpeTrainer(
        vocab_size=size, special_tokens=[START_TEXT], initial_alphabet=list(LETTERS), show_progress=False
    )
    tokenizer.train_from_iterator(map(in_letters, contents), trainer)
    if (found := tokenizer.get_vocab_size()) < size:
        raise UserError(
            f"data.vocabulary is {size}, but the training text has byte pairs for {found} tokens only; set it to "
            f"{found} or less, or add text"
        )
    return Bpe(tokenizer)


def read_bpe(file: str | Path) -> Bpe:
    """Return the byte pairs that `Bpe.text` wrote. Raises UserError if the file is damaged."""
    text = Path(file).read_text(encoding="utf-8")
    try:
        return Bpe(_package().Tokenizer.from_str(text))
    except UserError:
        raise
    except Exception as error:  # the package raises no other class
        raise UserError(f"{file} cannot be read ({error}); delete its folder and run snakemake again") from error


def _package() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise UserError(
            f"data.tokens is bpe, which needs the package tokenizers, but it cannot be imported ({error}); run "
            "`pip install -e '.[bpe]'`, or set data.tokens: bytes"
        ) from None
    return tokenizers
