"""Looked up accuracies beside published ones: the words, their intervals, collapsed cells."""

from __future__ import annotations

import math

import pytest

from nas_steps.config.report import Published
from nas_steps.intervals import welch_interval
from nas_steps.retraining.reproduction import REPRODUCTION, found, judge, reproduction, skips_of

ALL_SKIP = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
MIXED = "|none~0|+|skip_connect~0|nor_conv_3x3~1|+|skip_connect~0|skip_connect~1|none~2|"
HALF = "|none~0|+|skip_connect~0|none~1|+|skip_connect~0|skip_connect~1|none~2|"
NOTHING = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


def test_welch_by_hand() -> None:
    # variances 1/3 and 4/2: error sqrt(7/3); degrees (7/3)^2 / ((1/3)^2 / 2 + 2^2 / 1) = 5.4444 / 4.0556 = 1.3425
    difference, low, high = welch_interval((10.0, 1.0, 3), (8.0, 2.0, 2))
    assert difference == 2
    assert (low + high) / 2 == pytest.approx(2)
    # the 97.5 % quantile of t with 1.3425 degrees of freedom, by its distribution function integrated here
    half = (high - low) / 2 / math.sqrt(7 / 3)
    nu = (7 / 3) ** 2 / ((1 / 3) ** 2 / 2 + 4)
    scale = math.gamma((nu + 1) / 2) / (math.sqrt(nu * math.pi) * math.gamma(nu / 2))
    steps = 200_000
    width = half / steps
    inside = math.fsum(scale * (1 + ((k + 0.5) * width) ** 2 / nu) ** (-(nu + 1) / 2) * width for k in range(steps))
    assert inside == pytest.approx(0.475, abs=1e-6)
    assert welch_interval((3.0, 0.0, 3), (1.0, 0.0, 3)) == (2.0, 2.0, 2.0)
    # one side without spread: a one-sample t interval, t(2; 0.975) = 4.302653
    _, low, high = welch_interval((5.0, 1.0, 3), (4.0, 0.0, 3))
    assert (high - low) / 2 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)


@pytest.mark.parametrize(
    ("mine", "published", "word", "why"),
    [
        # GDAS: half a width of about 0.3 points
        ([0.9340, 0.9355, 0.9358], (0.9351, 0.0013, 3), "agree", "within the margin"),
        ([0.8740, 0.8755, 0.8758], (0.9351, 0.0013, 3), "disagree", "does not hold 0"),
        # RSPS: three searches of 1.69 points cannot tell more than 3.8 points apart
        ([0.86, 0.88, 0.90], (0.8766, 0.0169, 3), "undecided", "beyond the margin"),
        # collapsed rows have no spread
        ([0.542967] * 3, (0.5430, 0.0, 3), "agree", "the same one"),
        ([0.10] * 3, (0.5430, 0.0, 3), "disagree", "another one"),
        ([0.9, 0.91, 0.92], (0.5430, 0.0, 3), "disagree", "does not hold 0"),
        # Fisher's exact test of 2 of 3 and 3 of 3 is 1; of 1 of 10 and 3 of 3 it is 10 of the 286 = C(13, 3) ways
        ([0.542967, 0.542967, 0.9], (0.5430, 0.0, 3), "undecided", "2 of 3 searches have the published figure"),
        ([0.542967, *[0.9] * 9], (0.5430, 0.0, 3), "disagree", "1 of 10 searches have the published figure"),
        ([0.9351], (0.9351, 0.0013, 3), "undecided", "one search"),
        ([0.93, 0.94], (0.9351, 0.0, 1), "undecided", "one search"),
        ([], (0.9351, 0.0013, 3), "missing", "no search found"),
    ],
)
def test_a_word_for_each_case(mine: list[float], published: tuple[float, float, int], word: str, why: str) -> None:
    judged = judge(mine, published, 0.02)
    assert (judged.word, why in judged.why) == (word, True)
    if mine:
        assert judged.difference == pytest.approx(sum(mine) / len(mine) - published[0])
    if word == "agree":
        assert max(-judged.low, judged.high) <= 0.02
    if why == "does not hold 0":
        assert judged.low > 0 or judged.high < 0


def test_a_narrower_margin_agrees_less() -> None:
    mine, published = [0.9340, 0.9355, 0.9358], (0.9351, 0.0013, 3)
    assert judge(mine, published, 0.02).word == "agree"
    assert judge(mine, published, 0.001).word == "undecided"


@pytest.mark.parametrize(
    ("text", "skips", "edges", "all_skip"),
    [(ALL_SKIP, 6, 6, 1), (MIXED, 3, 4, 0), (HALF, 3, 3, 1), (NOTHING, 0, 0, 0), ("", None, None, None)],
)
def test_skip_connections_are_counted(text: str, skips: int | None, edges: int | None, all_skip: int | None) -> None:
    assert skips_of(text) == {"skips": skips, "edges": edges, "all_skip": all_skip}


def lookup(strategy: str, seed: int, architecture: str, valid: str, test: str) -> dict[str, str]:
    row = {"entry": strategy, "seed": str(seed), "architecture": architecture}
    return row | {"valid_accuracy": valid, "test_accuracy": test}


def test_rows_have_means_published_figures_and_collapses() -> None:
    rows = [
        lookup("darts", 0, ALL_SKIP, "0.397693", "0.542967"),
        lookup("random", 0, MIXED, "0.9", "0.93"),
        lookup("darts", 1, ALL_SKIP, "0.397693", "0.542967"),
        lookup("gdas", 0, "", "", ""),
        lookup("gdas", 1, MIXED, "0.90", "0.93"),
        lookup("gdas", 2, MIXED, "0.91", "0.94"),
    ]
    published = {
        "gdas": Published(test=[93.51, 0.13, 3], source="a"),
        "darts": Published(test=[54.30, 0, 3], valid=[39.77, 0, 3], source="b"),
    }
    each = found(rows, list(published))
    assert [(row["strategy"], row["search_seed"], row["skips"], row["all_skip"]) for row in each] == [
        ("darts", 0, 6, 1), ("darts", 1, 6, 1), ("gdas", 0, None, None), ("gdas", 1, 3, 0), ("gdas", 2, 3, 0),
    ]  # fmt: skip
    darts, gdas = reproduction(each, {"gdas": "gdas", "darts": "darts"}, published, 2.0)
    assert tuple(gdas) == REPRODUCTION
    assert (gdas["searches"], gdas["found"], gdas["all_skip"], gdas["skips_each"]) == (3, 2, 0, "3 3")
    assert (gdas["test_mean"], gdas["published_test_mean"]) == (pytest.approx(0.935), pytest.approx(0.9351))
    # two searches: t(1; 0.975) = 12.7062 times 0.01 / sqrt(2) / sqrt(2)
    assert gdas["test_high"] - gdas["test_low"] == pytest.approx(2 * 12.7062 * 0.005, rel=1e-4)
    assert (gdas["published_valid_mean"], gdas["word"]) == (None, "undecided")
    assert math.isnan(gdas["valid_difference"])
    assert (darts["word"], darts["all_skip"], darts["skips_each"]) == ("agree", 2, "6 6")
    assert darts["valid_difference"] == pytest.approx(0.397693 - 0.3977)


@pytest.mark.parametrize("figure", [[93.5, 0.1], [93.5, 0.1, 0], [193.5, 0.1, 3], [93.5, -0.1, 3], [93.5, 0.1, 2.5]])
def test_a_figure_that_is_none_is_refused(figure: list[float]) -> None:
    with pytest.raises(ValueError, match=r"93\.51, 0\.13, 3|at least 3 items"):
        Published(test=figure, source="a")
