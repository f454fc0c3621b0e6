"""The card of a language model: its figures without the files' minus, its text, how to run it."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from nas_steps.config.recipe import Recipe
from nas_steps.export.card import card

PART = {"documents": 41, "bytes": 1_180_000, "tokens": 1_180_041}
META = {
    "source": "stdlib", "tokens": "bytes", "vocabulary": 256, "context": 256, "content": "ab" * 32,
    "parts": {"train": {**PART, "documents": 520, "bytes": 9_400_000}, "valid": PART, "test": PART},
    "read": {"python": "3.11.7"},
}  # fmt: skip
NETWORK = {
    "entry": "evolution-1", "kind": "searched", "strategy": "evolution", "architecture": "lm_v256_d64/attn_h4+gelu_e4",
    "trainings": 3, "sound": 3, "valid_metric": -1.8501, "test_metric": -1.8432, "test_low": -1.865,
    "test_high": -1.821,
}  # fmt: skip
METRICS = {
    "parameters": 420_000, "macs": 243_200_000, "train_on": "train", "device": "cpu", "seed": 1, "settings": "f" * 12,
    "valid_metric": -1.849, "test_metric": -1.842, "test_accuracy": 0.61,
    "test_file": {"name": "test_tokens.npy", "sha256": "cd" * 32},
}  # fmt: skip
LINE = {
    "file": "evolution-1/model.onnx", "bytes": 1_700_000, "sha256": "ef" * 32, "tokens": 65_536, "vocabulary": 256,
    "context": 256, "bits_per_byte": 1.8451, "onnx_bits_per_byte": 1.8452, "onnx_accuracy": 0.612,
    "properties": {"input": "int64 tokens (batch,)", "start": "token 0 begins a document"},
}  # fmt: skip
TIMES = {f"latency_{batch}_{part}ms": value for batch in (1, 32) for part, value in
         (("", 1.5), ("p25_", 1.25), ("p75_", 2.0))}  # fmt: skip
SPEED = {"file": LINE["file"], "threads": 1, "memory_32_mb": 71.5, **TIMES}


def written(speed: list[dict[str, Any]], meta: dict[str, Any] = META, **network: Any) -> str:
    whole = {"entry": "evolution-1", "rule": "The rule.", "alternatives": []}
    return card({**NETWORK, **network}, whole, METRICS, Recipe(), meta, LINE, speed)


def test_a_card_says_what_the_files_say() -> None:
    found = written([SPEED])
    for fact in (
        "# evolution-1\n\nA language model: ",
        "It is the winner of a search by the strategy `evolution`.",
        "420,000 parameters; 1,900,000 FLOPs a token.",
        "It is the recommended network of its experiment. The rule: The rule.",
        "Source: `stdlib`, the sources of Python 3.11.7.",
        "9,400,000 bytes in 520 training documents, 1,180,000 bytes in 41 validation documents",
        "a byte is a token. A network sees 256 of them at once.",
        "(`test_tokens.npy`, sha256",
        "seed 1 of 3 trainings, 3 of them sound",
        "| test | mean of 3 trainings | 1.8432 [1.8210, 1.8650] |",
        "| test | this training | 1.8420 |",
        "| validation | mean of 3 trainings | 1.8501 |",
        "On 65,536 tokens of the test text the file has 1.8452 bits per byte, and torch 1.8451. 61.2 %",
        "| 1.5 ms [1.25, 2] | 1.5 ms [1.25, 2] | 71.5 MB |",
        "Inputs: int64 tokens (batch,).",
        "nas_steps.predict model.onnx --continue",
        "the rights in that text decide",
    ):
        assert fact in found, fact
    assert not re.search(r"None|nan|image|picture|classifier|accuracy", re.sub(r"- Recipe.*", "", found))


@pytest.mark.parametrize("missing", [None, math.nan])
def test_what_is_not_known_is_not_shown_as_a_number(missing: float | None) -> None:
    found = written([], test_low=missing, valid_metric=missing)
    assert "| test | mean of 3 trainings | 1.8432, without an interval |" in found
    assert "| validation | mean of 3 trainings | not measured |" in found
    assert "| not measured | not measured | not measured |" in found
    assert "Times are medians" not in found


def test_an_alternative_is_better_not_more_accurate() -> None:
    whole = {"entry": "llama", "rule": "", "alternatives": [{"entry": "evolution-1", "role": "more accurate"}]}
    found = card(NETWORK, whole, METRICS, Recipe(), META, LINE, [])
    assert "recommends another network, `llama`; this is the alternative that is better." in found


def test_byte_pairs_are_named() -> None:
    found = written([], {**META, "tokens": "bpe", "vocabulary": 4096})
    assert "4,096 byte pairs, learnt from the training part (`tokenizer.json`)" in found
