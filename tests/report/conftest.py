"""The made-up experiment, written once for the tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up import MadeUp, report, write

from nas_steps.provenance.settings import read_settings
from nas_steps.report.results import Results, load_results
from nas_steps.report.settings import ReportSettings


@pytest.fixture(scope="session")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an experiment in which nothing went wrong, with its report."""
    folder, settings = write(tmp_path_factory.mktemp("usual"), MadeUp())
    report(folder, settings)
    return folder


@pytest.fixture(scope="session")
def results(usual: Path) -> Results:
    settings = next((usual.parent / "settings").glob("report-*.json"))
    return load_results(read_settings(settings, ReportSettings), usual, usual.parent / "data")
