"""The pictures of the explanation pages are what docs/measurements.md and the declarations of the steps tell."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.pictures import EDITED, PICTURES, STAGES, interval, picture, readers, table
from nas_steps.report.svg import COLOURS

DOCS = Path(__file__).resolve().parents[2] / "docs"
FOLDER = DOCS / "explanation" / "pictures"


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_what_the_measurements_tell(name: str) -> None:
    drawn = picture(name, DOCS)
    there = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    # another version of matplotlib may place things a little differently: words and figures must be the same
    assert texts(there) == texts(drawn), "run python -m benchmarks.pictures docs"
    assert picture(name, DOCS) == drawn


def texts(svg: str) -> list[str]:
    return [
        "".join(one.itertext()).strip() for one in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    ]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_small_has_a_ground_and_both_themes(name: str) -> None:
    svg = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert len(svg) < 50_000
    assert f'fill="var(--surface, {COLOURS["surface"]})"' in svg
    assert "@media (prefers-color-scheme: dark)" in svg
    # a colour without a variable would stay dark on dark
    plain = set(re.findall(r"(?<!, )#[0-9a-f]{6}", svg.partition("</style>")[2]))
    assert plain <= {"#000000"}
    used = set(re.findall(r"var\(--(\w+)", svg))
    assert used <= set(re.findall(r"--(\w+):", svg.partition("</style>")[0]))


def test_every_picture_is_shown_with_words_for_it() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in sorted((DOCS / "explanation").glob("*.md")))
    shown = re.findall(r"!\[([^\]]+)\]\(pictures/(\w+)\.svg\)", pages)
    assert {name for _, name in shown} == set(PICTURES) == {one.stem for one in FOLDER.glob("*.svg")}


def test_a_changed_figure_changes_the_picture(tmp_path: Path) -> None:
    text = (DOCS / "measurements.md").read_text(encoding="utf-8")
    assert text.count("| 4 | 1 | 20.7 | 60.0 |") == 1
    (tmp_path / "measurements.md").write_text(text.replace("20.7", "90.7"), encoding="utf-8")
    assert picture("power", tmp_path) != picture("power", DOCS)
    with pytest.raises(ValueError, match="has no table 'searches' below 'A heading'"):
        table(text, "A heading", "searches")


def test_intervals_and_readers() -> None:
    assert interval("0.8 [0.0, 1.7], p .09 by Holm") == (0.8, 0.0, 1.7)
    assert interval(".34 [-.05, .63]") == (0.34, -0.05, 0.63)
    assert readers("retrain.recipe", STAGES["retraining"]) > 0
    assert readers("retrain.recipe", STAGES["search"]) == 0
    assert all(any(readers(key, stages) for stages in STAGES.values()) for key in EDITED)
