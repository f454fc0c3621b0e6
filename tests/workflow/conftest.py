"""The tiny experiment of these tests is `tests/workflow/tiny_workflow.py`; it runs once for all of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tiny_workflow import TINY, finish


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny experiment has run to its end. Tests that write results work on a copy of it."""
    folder = tmp_path_factory.mktemp("finished")
    assert "The report is at results/tiny/report/report.html" in finish(folder, TINY)
    return folder
