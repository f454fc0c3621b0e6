"""The sizes of prepared data, images or text."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_text
import tiny_world

from nas_steps.data.sizes import content_of, sizes_of
from nas_steps.data.store import read_meta
from nas_steps.data.text.store import is_text, read_text_meta
from nas_steps.errors import UserError
from nas_steps.spaces.costs import Shape


def test_images() -> None:
    found, meta = sizes_of(tiny_world.prepared()), read_meta(tiny_world.prepared())
    assert found == (Shape(1, 8, 10), 60, 60)
    assert found.arguments == {"inputs": 1, "side": 8, "classes": 10}
    assert content_of(tiny_world.prepared()) == meta.content
    assert not is_text(tiny_world.prepared())


def test_text_has_contexts_and_tokens() -> None:
    found, meta = sizes_of(tiny_text.prepared()), read_text_meta(tiny_text.prepared())
    assert found.shape == Shape(1, 16, 256)
    assert found.train == meta.parts["train"].tokens // 16
    assert found.valid == -(-(meta.parts["valid"].tokens - 1) // 16)
    assert content_of(tiny_text.prepared()) == meta.content
    assert is_text(tiny_text.prepared())


def test_data_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the data were not prepared; run snakemake"):
        sizes_of(tmp_path)
