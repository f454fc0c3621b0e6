"""Bytes, and byte pairs where the package tokenizers is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from nas_steps.config.text import TextData
from nas_steps.data.text.tokens import LETTERS, START, Bytes, Tokens, check_tokenizers, in_letters, read_bpe, train_bpe
from nas_steps.errors import UserError

EVERY_BYTE = bytes(range(256))
TEXT = "the cat sat on the mat; à la bonne heure, à la fin. Ein Schlüssel für die Tür. ".encode() * 30


def test_bytes() -> None:
    tokens: Tokens = Bytes()
    assert tokens.encode(EVERY_BYTE).tolist() == list(range(256))
    assert tokens.decode(tokens.encode(EVERY_BYTE)) == EVERY_BYTE
    assert (tokens.size, tokens.kind, tokens.bytes_of.tolist()) == (256, np.uint8, [1] * 256)


def test_each_byte_has_a_letter_of_its_own() -> None:
    assert len(set(LETTERS)) == 256
    assert all(letter.isalpha() for letter in LETTERS[128:])
    assert in_letters(b"a \xff") == "a ǿ"


def test_byte_pairs_keep_any_bytes() -> None:
    pytest.importorskip("tokenizers")
    tokens: Tokens = train_bpe([TEXT, EVERY_BYTE], 300)
    assert (tokens.size, tokens.kind, len(tokens.bytes_of)) == (300, np.uint16, 300)
    for text in (TEXT, EVERY_BYTE, EVERY_BYTE[::-1], b"", b"<start>", "日本語\x00".encode(), b"\xff\xfe\xc3"):
        numbers = tokens.encode(text)
        assert numbers.dtype == np.uint16
        assert tokens.decode(numbers) == text
        assert tokens.bytes_of[numbers].sum() == len(text)
        assert START not in numbers  # not even if the text spells it
    assert tokens.bytes_of[START] == 0
    assert len(tokens.encode(TEXT)) < 0.7 * len(TEXT)


def test_a_letter_of_two_bytes_can_become_one_token() -> None:
    pytest.importorskip("tokenizers")
    tokens = train_bpe([TEXT], 300)
    assert len(tokens.encode("ü".encode())) == 1


def test_byte_pairs_are_the_same_again_and_as_stored(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    tokens = train_bpe([TEXT], 280)
    assert train_bpe([TEXT], 280).text() == tokens.text()
    file = tmp_path / "tokenizer.json"
    file.write_text(tokens.text(), encoding="utf-8")
    again = read_bpe(file)
    assert np.array_equal(again.encode(TEXT), tokens.encode(TEXT))
    assert np.array_equal(again.bytes_of, tokens.bytes_of)
    file.write_text(tokens.text()[:-100], encoding="utf-8")
    with pytest.raises(
        UserError, match=r"tokenizer\.json cannot be read .*; delete its folder and run snakemake again"
    ):
        read_bpe(file)


def test_more_tokens_than_the_text_has() -> None:
    pytest.importorskip("tokenizers")
    with pytest.raises(UserError) as error:
        train_bpe([b"ab ab ab ab"], 999)
    assert str(error.value) == (
        "data.vocabulary is 999, but the training text has byte pairs for 259 tokens only; set it to 259 or less, or "
        "add text"
    )


def test_the_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    check_tokenizers(TextData())
    with pytest.raises(UserError) as error:
        check_tokenizers(TextData(tokens="bpe"))
    assert str(error.value).startswith("data.tokens is bpe, which needs the package tokenizers, but it cannot be")
    assert str(error.value).endswith("run `pip install -e '.[bpe]'`, or set data.tokens: bytes")
