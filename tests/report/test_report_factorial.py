"""What is said of search and scaling follows the printed rules, on outcomes made up by hand."""

from __future__ import annotations

from typing import Any

import pytest
from made_up import results_of

from nas_steps.config.schema import Config
from nas_steps.report.factorial import reading, sentences
from nas_steps.report.records import Effect


def effect(kind: str, name: str, difference: float | None, half: float | None = 0.004, **more: Any) -> Effect:
    """An effect with an interval of +- `half`."""
    bounded = difference is not None and half is not None
    usual: dict[str, Any] = {
        "base": "random",
        "way": "compound",
        "seeds": 5,
        "low": difference - half if bounded else None,  # type: ignore[operator]
        "high": difference + half if bounded else None,  # type: ignore[operator]
        "p_holm": 0.01,
    }
    return Effect(kind, name, difference=difference, **{**usual, **more})


def gains(both: float | None, search: float | None, scaling: float | None, **more: Any) -> tuple[Effect, ...]:
    def share(part: float | None) -> float | None:
        return part / both if part is not None and both else None

    return (
        effect("gain", "both", both, **more),
        effect("gain", "search", search, **{"share": share(search), **more}),
        effect("gain", "scaling", scaling, **{"share": share(scaling), **more}),
    )


def said(*effects: Effect, cells: tuple[dict[str, Any], ...] = (), chosen: dict[str, Any] | None = None) -> list[Any]:
    results = results_of(Config(), meta={}, budget={}, effects=effects, factorial=cells, chosen=chosen)
    return [(one.text.replace("\N{NO-BREAK SPACE}", " "), one.tone) for one in sentences(results)]


def test_a_gain_is_split_in_points_and_shares() -> None:
    ((text, tone),) = said(*gains(0.08, 0.02, 0.06))
    assert "The family's gain over a random architecture without scaling is 8.0 points" in text
    assert "2.0 points [1.6, 2.4] from search and 6.0 points [5.6, 6.4] from scaling" in text.replace(".00", ".0")
    assert "25 % from search and 75 % from scaling" in text
    assert tone == "win"


def test_a_part_without_an_effect_is_named() -> None:
    both, search, scaling = gains(0.08, 0.002, 0.078)
    ((text, _),) = said(both, search, scaling)
    assert "Of search alone no effect was found." in text


def test_if_one_part_took_from_the_other_there_are_no_shares() -> None:
    ((text, _),) = said(*gains(0.03, -0.02, 0.05))
    assert "Search took from what the other brought" in text
    assert "%" not in text


@pytest.mark.parametrize(
    ("changes", "words", "tone"),
    [
        ({"half": 0.1}, "no gain found", "plain"),
        ({"p_holm": 0.2}, "no gain found", "plain"),
        ({"seeds": 2}, "too few for a claim (2 seeds of 3)", "warning"),
        ({"seeds": 1, "half": None, "p_holm": None}, "too few for a claim (1 seed of 3)", "warning"),
    ],
)
def test_a_gain_without_a_claim_has_no_shares(changes: dict[str, Any], words: str, tone: str) -> None:
    ((text, found),) = said(*gains(0.08, 0.02, 0.06, **changes))
    assert words in text
    assert "% from" not in text
    assert found == tone


def test_a_loss_and_a_missing_figure_are_told() -> None:
    ((text, tone),) = said(*gains(-0.05, -0.01, -0.04))
    assert ("is a loss" in text, tone) == (True, "loss")
    ((text, tone),) = said(*gains(None, None, None, seeds=0, note="5 of 5 seeds lack a sound training of some cell"))
    assert "no figure, 5 of 5 seeds lack" in text
    assert tone == "warning"


def test_search_scaling_and_interaction_have_a_sentence_each() -> None:
    found = said(
        effect("search", "searched minus random", 0.02, way="all"),
        effect("search", "searched minus hand_designed", -0.02, way="all", base="hand_designed"),
        effect("scaling", "depth minus none", 0.02, base="all", way="depth"),
        effect("scaling", "compound minus none", 0.03, base="all"),
        effect("scaling", "compound minus one dimension", 0.001, base="all"),
        effect("interaction", "compound scaling of searched minus of random", 0.02),
    )
    texts, tones = zip(*found, strict=True)
    assert len(found) == 5  # one dimension alone stands in the table
    assert "the searched network against a random architecture: better" in texts[0]
    assert "against the hand-designed one: worse" in texts[1]
    assert "compound scaling against none: better" in texts[2]
    assert "no difference found" in texts[3]
    assert "brings the searched network, against what it brings a random architecture: more" in texts[4]
    assert tones == ("win", "loss", "win", "plain", "win")


def test_the_subject_is_the_unit_of_the_effect() -> None:
    ((network, _),) = said(effect("search", "searched minus random", 0.02, way="all", unit="network"))
    assert "the searched network against a random architecture: better" in network
    ((search, _),) = said(effect("search", "searched minus random", 0.02, way="all", unit="search"))
    assert "the searches' networks against random architectures: better" in search
    ((few, tone),) = said(effect("search", "searched minus random", 0.053, None, way="all", unit="search", seeds=1))
    assert few.endswith("too few for a claim (1 search of 4). Measured are 5.3 points.")
    assert tone == "warning"
    gain = " ".join(text for text, _ in said(*gains(0.08, 0.02, 0.06, unit="search")))
    assert "The family's gain over random architectures without scaling is 8.0 points" in gain


def test_unmatched_cells_and_a_triple_of_one_dimension_are_cautioned() -> None:
    off = {"depth": -0.12, "none": 0.01}
    cells = tuple({"base": "random", "scaling": way, "mismatch": mismatch} for way, mismatch in off.items())
    found = said(*gains(0.08, 0.02, 0.06), cells=cells, chosen={"depth": 1.0, "width": 1.4, "resolution": 1.0})
    texts = " ".join(text for text, tone in found if tone == "warning")
    assert "random depth (\N{MINUS SIGN}12 %)" in texts
    assert "random none" not in texts
    assert "leaves depth and resolution as it is" in texts


def test_nothing_is_said_without_a_factorial() -> None:
    assert sentences(results_of(Config(), meta={}, budget={})) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "more"),
        ({"difference": -0.02}, "less"),
        ({"half": 0.05}, "no effect found"),
        ({"p_holm": 0.06}, "no effect found"),
        ({"seeds": 2}, "too few seeds"),
        ({"seeds": 3, "unit": "search"}, "too few seeds"),
        ({"seeds": 4, "unit": "search"}, "more"),
        ({"seeds": 3, "unit": "network"}, "more"),
        ({"difference": None}, "not measured"),
        ({"half": None}, "not measured"),
    ],
)
def test_the_reading_of_a_row(changes: dict[str, Any], expected: str) -> None:
    row = effect("search", "searched minus random", **{"difference": 0.02, **changes})
    assert reading(row) == expected
