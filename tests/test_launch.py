"""`nas-steps` finds the workflow that belongs to the package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nas_steps import launch
from nas_steps.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def test_in_a_checkout_it_is_the_one_beside_the_package() -> None:
    own = ["--snakefile", str(ROOT / "Snakefile")]
    assert launch.command(["-n", "--configfile", "a.yaml"]) == [
        sys.executable, "-m", "snakemake", *own, "-n", "--configfile", "a.yaml",
    ]  # fmt: skip


@pytest.mark.parametrize("given", [["-s", "mine"], ["--snakefile", "mine"], ["--snakefile=mine"]])
def test_the_users_own_snakefile_goes_first(given: list[str]) -> None:
    assert launch.command(given) == [sys.executable, "-m", "snakemake", *given]


def test_of_an_installed_package_it_is_the_one_that_the_wheel_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lib" / "nas_steps"
    home = tmp_path / "share" / "nas-steps"
    monkeypatch.setattr(launch, "__file__", str(package / "launch.py"))
    monkeypatch.setattr(launch.sysconfig, "get_path", lambda name: str(tmp_path) if name == "data" else "")
    with pytest.raises(UserError, match="there is no Snakefile of nas-steps in .*; install its wheel, or name one"):
        launch.find()
    (home / "rules").mkdir(parents=True)
    (home / "Snakefile").touch()
    assert launch.find() == home / "Snakefile"
