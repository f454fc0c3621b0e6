"""The section of text, by itself and beside that of images."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from nas_steps.config.data import Data
from nas_steps.config.docs import _rows
from nas_steps.config.text import BPE, BYTES, AnyData, TextData, vocabulary_size
from nas_steps.config.walk import sections


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"path": "a"}, ["stdlib reads no path", "'a'", "source: text"]),
        ({"files": "*.py"}, ["stdlib reads Python's own files", "['*.py']", "source: text"]),
        ({"source": "text", "vocabulary": 999}, ["tokens is bytes", "256", "999", "tokens: bpe", "leave vocabulary"]),
        ({"valid": 0.5, "test": 0.45}, ["valid + test is 0.95", "5 %", "lower one"]),
        ({"source": "text", "files": []}, ["files", "at least 1 item"]),
        ({"tokens": "bpe", "vocabulary": 257}, ["vocabulary", "greater than or equal to 258"]),
        ({"tokens": "bpe", "vocabulary": 65537}, ["vocabulary", "less than or equal to 65536"]),
        ({"context": 1}, ["context", "greater than or equal to 2"]),
        ({"resolution": 32}, ["resolution", "Extra inputs are not permitted"]),
    ],
)
def test_refused(given: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ValidationError) as error:
        TextData(**given)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_one_pattern_is_a_list_of_one() -> None:
    assert TextData(source="text", files="*.md").files == ["*.md"]  # type: ignore[arg-type]


def test_number_of_tokens() -> None:
    assert vocabulary_size(TextData()) == BYTES == 256
    assert vocabulary_size(TextData(tokens="bpe")) == BPE
    assert vocabulary_size(TextData(tokens="bpe", vocabulary=300)) == 300


def test_the_source_says_whether_data_are_text_or_images() -> None:
    read = TypeAdapter(AnyData).validate_python
    assert read({}) == Data()
    assert read({"source": "cifar10"}) == Data(source="cifar10")
    assert read({"source": "stdlib"}) == TextData()
    assert read({"source": "text", "context": 64}) == TextData(source="text", context=64)
    for one in (Data(), TextData()):
        assert read(one) == one
        assert read(one.model_dump(mode="json")) == one
    with pytest.raises(ValidationError, match="resolution"):
        read({"source": "text", "resolution": 32})
    with pytest.raises(ValidationError, match="context"):
        read({"source": "digits", "context": 32})


def test_the_walk_of_the_schema_finds_both() -> None:
    assert list(sections(AnyData)) == [((), Data), ((), TextData)]


def test_every_key_is_described() -> None:
    rows = list(_rows(TextData, "data."))
    assert len(rows) == len(TextData.model_fields)
    assert all(len(row.split("|")[-2].strip()) > 20 for row in rows), rows
