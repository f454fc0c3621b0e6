"""Each command of the README is one that works."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from tiny_workflow import planned

BADGES = ("licence", "python")
ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# fenced blocks in their order; those with a language are no commands
BLOCKS = [text for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.S | re.M) if not language]
COMMANDS = [line.split("  #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small image folder."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for number in range(10):
            pixels = generator.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("snakemake")])
def test_snakemake_commands_make_a_plan(command: str, photos: Path, tmp_path: Path) -> None:
    archive = tmp_path / "images.npz"
    generator = np.random.default_rng(0)
    np.savez(archive, images=generator.integers(0, 256, (100, 32, 32, 3), np.uint8), labels=np.arange(100) % 10)
    words = shlex.split(command.replace("images=PATH", f"images={photos}").replace("FILE.npz", str(archive)))
    output = planned(words, tmp_path)
    assert re.search(r"^report +1$", output, flags=re.M), output[-3000:]


def test_all_commands_are_known_to_the_tests() -> None:
    """`make run` and `make test` are what CI runs; predict is tested with the export stage, start, why,
    status, compare and manifest have tests of their own."""
    others = [line for line in COMMANDS if not line.startswith("snakemake")]
    assert others == [
        "make run",
        "make test",
        "python -m nas_steps.start PHOTOS --time 30m",
        "python -m nas_steps.why config/config.yaml",
        "python -m nas_steps.status results/digits",
        "python -m nas_steps.compare results/a results/b",
        "python -m nas_steps.manifest --check results/digits",
        "python -m nas_steps.predict results/own_images PHOTO.jpg",
    ]


def test_the_files_that_the_readme_names_exist() -> None:
    named = re.findall(r"`((?:config|nas_steps|profiles|results|docs)/[\w/.]+\.(?:py|md|yaml))`", README)
    linked = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("https://")]
    assert named
    assert linked
    for name in [*named, *linked]:
        page, _, anchor = name.partition("#")
        assert (ROOT / page).exists(), name
        if anchor:
            headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(encoding="utf-8"), flags=re.M)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, name


def test_a_reader_of_forty_lines_sees_what_it_is_a_result_and_the_commands() -> None:
    lines = README.splitlines()
    assert len(lines) <= 150
    first = "\n".join(lines[:40])
    assert "![The first screen" in first
    assert "make run" in first
    assert "snakemake --configfile config/own_images.yaml --config images=PATH" in first
    rows = {line.split("|")[1].strip() for line in lines[:40] if line.startswith("|")}
    for chosen in ("evolution", "random search", "hand-designed", "pretrained"):
        assert any(chosen in row for row in rows), chosen
    assert len(re.findall(r"\d\d\.\d \[\d\d\.\d, \d\d\.\d\]", first)) >= 4  # accuracies with intervals


def test_version_licence_and_badges_are_the_package_s() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    # what the Citation File Format 1.2.0 asks for, and what a citation needs beside it
    assert citation["cff-version"] == "1.2.0"
    assert all(citation[key] for key in ("message", "title", "authors", "abstract", "keywords", "references"))
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", changelog, flags=re.M)[0] == f"{project['version']} ({citation['date-released']})"
    badges = {name: (ROOT / "docs" / "badges" / f"{name}.svg").read_text(encoding="utf-8") for name in BADGES}
    assert f"<title>licence: {project['license']}</title>" in badges["licence"]
    assert f"<title>python: {project['requires-python'].removeprefix('>=')} or newer</title>" in badges["python"]
