"""Wheel and source archive hold what they are to hold: a file that is added later and forgotten fails here."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: made by tools and by runs, and ignored by git
LEFT_OUT = (".git", ".venv", ".snakemake", "__pycache__", "*_cache", "*.egg-info", "build", "dist", "site", "htmlcov",
            "downloads", ".coverage", ".nfs*")  # fmt: skip
#: what an installed workflow needs beside the package
OF_THE_WORKFLOW = ("Snakefile", "rules/", "profiles/", "workflow/", "config/")
#: pages for readers of the repository
PAGES = (".md",)
#: written by setuptools alone
OF_SETUPTOOLS = ("PKG-INFO", "setup.cfg", "nas_steps.egg-info/")
BUILD = "import setuptools.build_meta as backend; print(backend.build_{}(r'{}'))"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy without what git ignores."""
    copy = tmp_path_factory.mktemp("archives") / "checkout"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for made in (copy / "results").iterdir():
        if made.name != "README.md":
            shutil.rmtree(made) if made.is_dir() else made.unlink()
    return copy


@pytest.fixture(scope="module")
def files(checkout: Path) -> set[str]:
    return {file.relative_to(checkout).as_posix() for file in checkout.rglob("*") if file.is_file()}


def build(kind: str, checkout: Path, folder: Path) -> Path:
    code = BUILD.format(kind, folder)
    made = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[-3000:]
    return folder / made.stdout.split()[-1]


def test_the_source_archive_holds_the_repository_and_the_wheel_the_package_and_the_workflow(
    checkout: Path, files: set[str], tmp_path: Path
) -> None:
    source = build("sdist", checkout, tmp_path)
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path / "source", filter="data")
        held = {name.partition("/")[2] for name in archive.getnames() if archive.getmember(name).isfile()}
    assert {name for name in held if not name.startswith(OF_SETUPTOOLS)} == files

    # the wheel is made of the archive, so that nothing that it needs was left out of it
    wheel = build("wheel", next((tmp_path / "source").iterdir()), tmp_path)
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    data = f"{'-'.join(wheel.name.split('-')[:2])}.data/data/share/nas-steps/"
    package = {name for name in names if name.startswith("nas_steps/")}
    workflow = {name.removeprefix(data) for name in names if name.startswith(data)}
    assert package == {name for name in files if name.startswith("nas_steps/")}
    assert workflow == {name for name in files if name.startswith(OF_THE_WORKFLOW) and not name.endswith(PAGES)}
    with ZipFile(wheel) as archive:
        entries = next(name for name in names if name.endswith("entry_points.txt"))
        assert "nas-steps = nas_steps.launch:main" in archive.read(entries).decode()
