"""The forest plot: a row for each opponent, outcomes by shape and colour, words for screen readers."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from made_up import MadeUp, loaded

from nas_steps.report.forest import FOREST, forest, forest_rows
from nas_steps.report.results import Results
from nas_steps.report.svg import COLOURS

DARTS = {"search": {"strategies": {"random": {}, "darts": {}}}}


@pytest.fixture(scope="module")
def found() -> Results:
    return loaded(MadeUp(config=DARTS, means={"darts": 0.972, "resnet20": 0.98}))


def test_rows_are_the_comparisons_with_three_kinds_of_opponents(found: Results) -> None:
    rows = forest_rows(found)
    assert [(row["role"], row["opponent"], row["standing"]) for row in rows] == [
        ("random", "random search of its budget", "beat"),
        ("uniform", "the mean of 8 random networks", "beat"),
        ("baseline", "the best baseline (resnet20)", "lost"),
    ]
    assert [(row["searches"], row["against_searches"]) for row in rows] == [(4, 4), (4, 8), (4, 1)]
    assert all(set(row) == set(FOREST) for row in rows)
    by_role = {row.role: row for row in found.contests}
    assert all(row["difference"] == by_role[row["role"]].difference for row in rows)


def test_the_drawing_says_all_in_words_and_shapes(found: Results) -> None:
    svg = forest(found) or ""
    root = ET.fromstring(svg)
    label = root.get("aria-label") or ""
    assert re.match(r"Forest plot\. darts minus random search of its budget: \+0\.\d+ \[.*\], 4 v 4 \(beat\); ", label)
    assert label.endswith("(lost)")
    titles = [one.text for one in root.iter() if one.tag.endswith("title")]
    assert titles == ["What searching won, by opponent"]
    words = " ".join("".join(one.itertext()) for one in root.iter() if one.tag.endswith("}text"))
    for row in forest_rows(found):
        assert row["opponent"] in words
    assert "beat" in words
    assert "no difference found" not in words  # a legend of what occurs
    for name in ("win", "loss"):
        assert f"var(--{name}, {COLOURS[name]})" in svg
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    assert all(str(one).startswith("forest-") for one in ids)
    assert float(root.get("width") or 0) <= 440
    assert forest(found) == svg


def test_refused_outcomes_and_few_searches_have_marks_of_their_own(found: Results) -> None:
    flipped = tuple(replace(row, recipe="long", outcome="lost") for row in found.contests)
    refused = replace(found, recipe_contests=flipped)
    assert [row["standing"] for row in forest_rows(refused)] == ["recipe", "recipe", "lost"]
    assert "refused: recipe or failures decide" in (forest(refused) or "")
    few = tuple(replace(row, outcome="few", low=None, high=None) for row in found.contests)
    assert "too few searches" in (forest(replace(found, contests=few)) or "")


def test_without_intervals_the_axis_names_none(found: Results) -> None:
    assert "with 95 % intervals" in (forest(found) or "")
    few = tuple(replace(row, outcome="few", low=None, high=None) for row in found.contests)
    assert "with 95 % intervals" not in (forest(replace(found, contests=few)) or "")


def test_long_names_are_cut_and_leave_the_axes_their_width() -> None:
    name = "evolution_with_a_name_that_is_longer_than_the_drawing_is_wide"

    def axis(strategy: str) -> tuple[float, str]:
        config = {"search": {"strategies": {"random": {}, strategy: {"kind": "evolution"}}}}
        svg = forest(loaded(MadeUp(config=config, means={strategy: 0.98, "evolution": 0.98}))) or ""
        ends = re.search(r'id="forest-patch_2">\s*<path d="M ([\d.]+) [\d.]+\s+L ([\d.]+)', svg)
        assert ends is not None
        left, right = map(float, ends.groups())
        return right - left, svg

    width, svg = axis(name)
    assert width == axis("evolution")[0] > 400
    words = ["".join(one.itertext()) for one in ET.fromstring(svg).iter() if one.tag.endswith("}text")]
    assert "evolution_with_a_\N{HORIZONTAL ELLIPSIS}e_drawing_is_wide minus ..." in words
    assert f"{name} minus random search" in (ET.fromstring(svg).get("aria-label") or "")


def test_without_a_difference_there_is_no_drawing(found: Results) -> None:
    assert forest(replace(found, contests=())) is None
    lost = tuple(replace(row, difference=None, outcome="missing") for row in found.contests)
    assert forest(replace(found, contests=lost)) is None
    assert len(forest_rows(replace(found, contests=lost))) == 3
