"""Small made-up texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from made_up_text import prose

from nas_steps.config.text import TextData
from nas_steps.data.text.prepare import prepare_text
from nas_steps.data.text.settings import TextSettings


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes files by their names below a folder, and returns it; a number stands for that many bytes of prose."""

    def write(files: Mapping[str, bytes | int], name: str = "texts") -> Path:
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        for seed, (file, content) in enumerate(files.items()):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_bytes(prose(seed, content) if isinstance(content, int) else content)
        return root

    return write


@pytest.fixture
def run_text(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """prepare_text() into `out` for these keys of `data`, with contexts of 8 tokens unless told."""

    def run(path: Path | None, *, seed: int = 0, out: str = "out", content: str = "", **keys: Any) -> dict[str, Any]:
        data = TextData(source="text", path=path and str(path), **{"context": 8, **keys})
        return prepare_text(TextSettings(seed=seed, data=data, content=content), tmp_path / out)

    return run
