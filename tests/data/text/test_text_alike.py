"""Sketches against exact sets of shingles, and the groups that come of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nas_steps.data.text.alike as module
from nas_steps.data.text.alike import KEPT, SHINGLE, groups_alike, resemblance, sketch


def noise(seed: int, size: int) -> bytes:
    return bytes(np.random.default_rng(seed).integers(33, 127, size, np.uint8))


def shingles(content: bytes) -> set[bytes]:
    return {content[start : start + SHINGLE] for start in range(len(content) - SHINGLE + 1)}


@pytest.mark.parametrize("common", [0, 3000, 8000, 10_000])
def test_resemblance_is_the_share_of_common_shingles(common: int) -> None:
    first = noise(0, 10_000)
    second = first[:common] + noise(1, 10_000 - common)
    truth = len(shingles(first) & shingles(second)) / len(shingles(first) | shingles(second))
    assert resemblance(sketch(first), sketch(second)) == pytest.approx(truth, abs=0.13)  # 3 standard errors


def test_a_sketch_is_of_the_whole_text(monkeypatch: pytest.MonkeyPatch) -> None:
    text = noise(0, 5000)
    whole = sketch(text)
    assert len(whole) == KEPT
    assert np.array_equal(whole, np.unique(whole))
    monkeypatch.setattr(module, "AT_ONCE", 700)
    assert np.array_equal(sketch(text), whole)  # pieces overlap: no shingle is lost or made up


def test_a_repeated_text_keeps_its_few_shingles() -> None:
    assert len(sketch(noise(0, 50) * 100)) == 50
    assert len(sketch(b"")) == len(sketch(b"x" * (SHINGLE - 1))) == 0


def test_white_space_does_not_count() -> None:
    text = noise(0, 4000)
    wide = b"\r\n".join(text[start : start + 60] for start in range(0, 4000, 60))
    assert np.array_equal(sketch(text), sketch(b"  " + wide))


def test_groups() -> None:
    text, other = noise(0, 20_000), noise(1, 20_000)
    documents = [
        text,
        other,
        text[:-2000],  # like the first
        noise(2, 20_000),
        b"short",
        b"short",  # too short for a sketch
        other[3000:] + noise(3, 1000),  # like the second
        text[4000:],  # like the first
    ]
    assert groups_alike([sketch(one) for one in documents]) == [[0, 2, 7], [1, 6], [3], [4], [5]]
    assert groups_alike([]) == []


def test_a_common_header_makes_no_group() -> None:
    header = noise(9, 300)
    assert groups_alike([sketch(header + noise(seed, 3000)) for seed in range(30)]) == [[one] for one in range(30)]


def test_the_hash_depends_on_each_byte() -> None:
    text = bytearray(noise(0, SHINGLE))
    seen: set[Any] = {int(sketch(bytes(text))[0])}
    for place in range(SHINGLE):
        other = bytearray(text)
        other[place] ^= 1
        seen.add(int(sketch(bytes(other))[0]))
    assert len(seen) == SHINGLE + 1
