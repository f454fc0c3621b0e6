"""Versions of packages as text."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nas_steps.provenance.versions import describe_versions, version


def test_versions_are_told_without_their_local_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, number in (("made_up", "2.9.1+cu128"), ("other", "1.0")):
        (tmp_path / f"{name}-1.dist-info").mkdir()
        (tmp_path / f"{name}-1.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: {number}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert describe_versions(["made_up", "other", "nowhere"]) == "made_up 2.9.1, other 1.0, nowhere not installed"
    assert version("nowhere") is None
    assert describe_versions([]) == ""
