"""The tiny experiment of these tests is `tests/search/tiny_world.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "search"))

from tiny_world import prepared


@pytest.fixture(scope="session")
def data() -> str:
    """The folder of the prepared digits."""
    return prepared()
