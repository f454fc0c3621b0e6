"""Small made-up sources."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas_steps.config.data import Data
from nas_steps.data.prepare import prepare
from nas_steps.data.settings import DataSettings


@pytest.fixture
def photo() -> Callable[..., Path]:
    """Writes an RGB image of noise that depends on the path's last two parts alone."""

    def write(path: Path, size: tuple[int, int] = (12, 10)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = zlib.crc32("/".join(path.parts[-2:]).encode())
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def photos(tmp_path: Path, photo: Callable[..., Path]) -> Callable[..., Path]:
    """Makes a folder from {"class or split/class": number of images} and returns it."""

    def make(counts: dict[str, int], name: str = "photos") -> Path:
        root = tmp_path / name
        for folder, count in counts.items():
            for index in range(count):
                photo(root / folder / f"{index}.png")
        return root

    return make


@pytest.fixture
def run_prepare(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """prepare() into `out` for these keys of `data`, at 8 pixels unless told."""

    def run(source: str, path: Path | None = None, *, seed: int = 0, out: str = "out", **keys: Any) -> dict[str, Any]:
        keys.setdefault("resolution", 8)
        data = Data(source=source, path=path and str(path), **keys)  # type: ignore[arg-type]
        return prepare(DataSettings(seed=seed, data=data), tmp_path / out)

    return run
