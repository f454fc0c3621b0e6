"""Figures and cells are SVG that can be inlined: same bytes, own ids, real text."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from random import Random

import matplotlib
import pytest

from nas_steps.report import figures
from nas_steps.report.cells import PLATE_HEIGHT, PLATE_WIDTH, draw_cell
from nas_steps.report.mobile import draw_mobile
from nas_steps.report.results import Results
from nas_steps.report.svg import COLOURS
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import parse_architecture
from nas_steps.spaces.mobile.architectures import parse_mobile

FIGURES: dict[str, Callable[[Results, str], str | None]] = {
    "sampling": figures.sampling_curves,
    "darts": figures.darts_curves,
    "parameters": lambda results, prefix: figures.accuracy_against(results, "parameters", prefix),
    "macs": lambda results, prefix: figures.accuracy_against(results, "macs", prefix),
    "dots": figures.dots,
    "family": figures.family_curve,
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_same_bytes_each_time(results: Results, name: str) -> None:
    first = FIGURES[name](results, "a")
    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": None, "axes.grid": False}):
        assert FIGURES[name](results, "a") == first


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_well_formed_with_ids_of_its_own(results: Results, name: str) -> None:
    svg = FIGURES[name](results, "mine")
    assert svg is not None
    root = ET.fromstring(svg)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert all(str(one).startswith("mine-") for one in ids)
    assert len(ids) == len(set(ids))
    references = re.findall(r'href="#([^"]+)"', svg) + re.findall(r"url\(#([^)]+)\)", svg)
    assert references
    assert set(references) <= set(ids)
    assert "http://www.w3.org/2000/svg" in svg
    assert len(re.findall("https?://", svg)) == 1  # the namespace, no licence, no date


def test_of_many_networks_the_notable_ones_are_named_and_the_recommended_has_a_ring(results: Results) -> None:
    svg = figures.accuracy_against(results, "macs") or ""
    assert len(results.entries) > figures.MOST_LABELS
    recommended = results.recommended or {}
    named = set(re.findall(r"<text[^>]*>([^<]+)</text>", svg))
    others = [one["entry"] for one in recommended["alternatives"]]
    assert {recommended["entry"], *others, "resnet20", "recommended"} <= named
    assert "uniform-3" not in named
    # the label for screen readers has all of them
    assert all(f"{one.entry} {100 * (one.test_mean or 0):.1f}" in svg for one in results.entries)
    nothing = replace(results, recommended=None, entries=results.entries[:5])
    few = figures.accuracy_against(nothing, "macs") or ""
    assert all(f">{one.entry}</text>" in few for one in nothing.entries)
    assert ">recommended</text>" not in few


@pytest.mark.parametrize(("epochs", "dots"), [(1, 3), (2, 0)])
def test_a_single_epoch_is_a_dot_in_each_panel(results: Results, epochs: int, dots: int) -> None:
    """A line of one point would be invisible."""
    search = next(search for search in results.searches if search.trains_supernet)
    history = tuple(replace(row, discrete_accuracy=None) for row in search.history[:epochs])
    svg = figures.darts_curves(replace(results, searches=(replace(search, history=history),))) or ""
    marks = re.findall(r'<use [^>]*style="fill: var\(--searched', svg)
    assert len(marks) == dots


def test_text_stays_text_and_colours_follow_the_theme(results: Results) -> None:
    svg = figures.dots(results) or ""
    for entry in results.entries:
        assert f">{entry.entry}</text>" in svg
    assert f"var(--searched, {COLOURS['searched']})" in svg
    assert "DejaVu" not in svg


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_to_show_is_no_figure(results: Results, name: str) -> None:
    bare = replace(results, searches=(), entries=(), trainings=(), family=())
    assert FIGURES[name](bare, "a") is None


def test_an_entry_without_an_accuracy_keeps_its_row(results: Results) -> None:
    lost = replace(results.entries[0], test_mean=None, test_low=None, test_high=None)
    svg = figures.dots(replace(results, entries=(lost, *results.entries[1:]), trainings=())) or ""
    assert "no training ended with an accuracy" in svg


def test_members_over_the_budget_are_shown_as_described_only(results: Results) -> None:
    svg = figures.family_curve(results) or ""
    assert results.family
    for row in results.family:
        assert f">{row['member']}</text>" in svg
    assert "not trained" in svg


@pytest.mark.parametrize("nodes", [1, 3, 4, 8])
def test_plates_of_a_cell_never_overlap(nodes: int) -> None:
    space = PRESETS["darts"].replace(nodes=nodes)
    for seed in range(40):
        svg = draw_cell(space.sample(Random(seed)).cells["normal"], "cell")
        root = ET.fromstring(svg)
        plates = [
            (float(one.get("x", 0)), float(one.get("y", 0)))
            for one in root.iter()
            if (one.get("class") or "").startswith("plate")
        ]
        assert len(plates) == space.nodes * space.edges_per_node
        for place, (x, y) in enumerate(plates):
            for left, top in plates[place + 1 :]:
                assert abs(x - left) >= PLATE_WIDTH or abs(y - top) >= PLATE_HEIGHT


@pytest.mark.parametrize("seed", range(20))
def test_lines_never_pass_behind_a_plate(seed: int) -> None:
    """A line may touch a plate only where it ends or starts at its side."""
    svg = draw_cell(PRESETS["darts"].sample(Random(seed)).cells["normal"], "cell")
    plates = re.findall(r'class="plate \w+" x="([\d.-]+)" y="([\d.-]+)"', svg)
    curves = re.findall(r'class="edge \w+" d="M([\d.-]+) [^"]*? ([\d.-]+) [\d.-]+(?:H[\d.-]+)?"', svg)
    assert len(curves) >= 2 * len(plates) > 0  # one to each plate and one from it
    for start, end in curves:
        assert all(float(end) <= float(x) or float(start) >= float(x) + PLATE_WIDTH for x, _ in plates)
    for level, end in re.findall(r'class="edge \w+" d="M[^"]*? ([\d.-]+)H([\d.-]+)"', svg):
        for x, y in plates:
            if float(x) < float(end) < float(x) + 2 * PLATE_WIDTH:  # the lane runs beside this layer of plates
                assert not float(y) <= float(level) <= float(y) + PLATE_HEIGHT


def test_a_drawn_cell_names_operations_nodes_and_ends() -> None:
    text = "normal:|sep_conv_3x3~0|skip_connect~1|+|dil_conv_5x5~0|max_pool_3x3~2|"
    svg = draw_cell(parse_architecture(f"{text};reduce:{text.removeprefix('normal:')}").cells["normal"], "Normal cell")
    for words in ("sep conv 3×3", "skip", "dil conv 5×5", "max pool 3×3", ">0<", ">1<", "k−2", "k−1", ">k<"):
        assert words in svg
    assert svg.count('class="plate free"') == 2
    assert "node 1 sums dil conv 5×5 of the cell before the last and max pool 3×3 of node 0" in svg
    assert " id=" not in svg


def test_a_drawn_mobile_network_names_its_layers_stages_and_ends() -> None:
    text = "stem_k3_c16_relu/mb_k3_e1_c16+mb_k5_e6_c16_se0.25/id_s2_c24+mb_k7_e3_c24/head_c192"
    svg = draw_mobile(parse_mobile(text), "Stages")
    assert [svg.count(f'class="plate {style}"') for style in ("terminal", "nor", "sep", "dil", "free")] == [
        2,
        1,
        1,
        1,
        1,
    ]
    for words in (">3×3<", ">e6<", ">SE<", ">id<", ">16<", ">24, stride 2<", ">192<"):
        assert words in svg
    assert "stage 2, 24, stride 2 channels: left out, kernel 7 expansion 3" in svg
    edges = [float(x) for x in re.findall(r'class="plate \w+" x="([\d.]+)"', svg)]
    assert edges == sorted(edges)
    assert min(after - before for before, after in itertools.pairwise(edges)) >= 46


def test_a_drawn_mobile_network_says_to_what_side_it_resizes_its_images() -> None:
    text = "stem_k3_c16{}_relu/mb_k3_e1_c16/head_c192"
    plain, resized = (draw_mobile(parse_mobile(text.format(side)), "Stages") for side in ("", "_i96"))
    for words in (">resize<", ">96 px<", "Stages: images resized to 96 x 96 pixels; stage 1"):
        assert words in resized
        assert words not in plain


@pytest.mark.parametrize("seed", range(5))
def test_a_one_input_cell_is_drawn_too(seed: int) -> None:
    architecture = PRESETS["nasbench201"].sample(Random(seed))
    root = ET.fromstring(svg := draw_cell(architecture.cells["cell"], "Cell", inputs=1))
    assert sum((one.get("class") or "").startswith("plate") for one in root.iter()) == 6
    assert "k−1" in svg
    assert "k−2" not in svg
    assert "of the last cell" in svg
    assert svg.count("node 2") >= 2
    assert svg.count("h12V") == 1  # the last node alone is the output
    assert svg.count('class="plate none"') == str(architecture).count("none")


def test_a_cell_says_which_nodes_are_its_output() -> None:
    cell = PRESETS["darts"].sample(Random(0)).cells["normal"]
    svg = draw_cell(cell, "cell", concat=(1, 3))
    assert svg.count("nodes 1 and 3, concatenated") == 2
    assert svg.count("h12V") == 2
