"""Whether searching paid, against three opponents."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from made_up import MadeUp, loaded
from outcomes import (
    baseline,
    folded,
    made,
    opponent,
    plain,
    row,
    uniform,
    warned,
)

from nas_steps.config.schema import Config
from nas_steps.report.records import (
    Contest,
)
from nas_steps.report.verdict import decide


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            (row(0.012, 0.008), uniform(0.03), baseline(0.01)),
            "Yes: darts is above random search of its budget, the mean of 8 random networks (relative improvement "
            "3.3 %) and the best baseline (resnet20).",
        ),
        (
            (row(0.001, 0.008), uniform(0.03), baseline(-0.02)),
            "No more than random search: darts shows no difference to random search of its budget, is above the mean "
            "of 8 random networks (relative improvement 3.3 %) and is below the best baseline (resnet20).",
        ),
        (
            (row(0.012, 0.008), baseline(-0.02)),
            "Not against the best baseline: darts is above random search of its budget and is below the best baseline "
            "(resnet20).",
        ),
        ((row(0.012, 0.008), uniform(-0.02)), "Not against random networks: darts is above"),
        ((row(-0.012, 0.008),), "No: darts is below random search of its budget."),
        (
            (row(0.001, 0.008), uniform(0.001)),
            "Not shown: darts shows no difference to random search of its budget and the mean of 8 random networks.",
        ),
        (
            (row(0.0002, None, searches=1),),
            "Not known (too few searches): the network darts-0 is 0.0 points from random search of its budget.",
        ),
        (
            (row(0.01, None, searches=1), replace(uniform(-0.02), outcome="few")),
            "Not known (too few searches): the network darts-0 is 1.0 points above random search of its budget and "
            "is 2.0 points below the mean of 8 random networks.",
        ),
        ((replace(row(0.012, 0.008), matched=None),), "Yes: darts is above random search."),
    ],
)
def test_whether_searching_paid_weighs_three_opponents(rows: tuple[Contest, ...], expected: str) -> None:
    assert plain(decide(made(*rows)).paid.text).startswith(expected)


def test_the_forest_plot_alone_has_the_figures_of_judged_comparisons() -> None:
    """The plot chooses decimals by the interval: 0.04 points would be 0.0 elsewhere."""
    found = made(row(0.012, 0.008), uniform(0.03), baseline(0.0004, 0.0003))
    assert not re.search(r"\d points", decide(found).paid.text)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0.02, 0.03, -0.01), (0.012, 0.03, 0.01), "Yes: evolution"),
        ((0.002, 0.001, 0.001), (-0.001, 0.03, 0.001), "No more than random search: evolution"),
    ],
)
def test_the_strategy_with_the_better_answer_comes_before_the_larger_difference(
    first: tuple[float, float, float], second: tuple[float, float, float], expected: str
) -> None:
    config = Config.model_validate({"search": {"strategies": {"random": {}, "darts": {}, "evolution": {}}}})
    rows = []
    for strategy, (random, drawn, hand_designed) in (("darts", first), ("evolution", second)):
        given = {"strategy": strategy}
        rows += [row(random, **given), uniform(drawn, **given), baseline(hand_designed, **given)]
    assert decide(made(*rows, config=config)).paid.text.startswith(expected)


def test_no_budget_is_claimed_that_was_not_matched() -> None:
    rows = (opponent(matched=0, random_cost=4e7),)
    verdict = decide(made(row(0.012, 0.008, matched=0), opponents=rows))
    everything = " ".join([verdict.headline, verdict.paid.text, *warned(verdict), folded(verdict)])
    assert "of its budget" not in everything
    assert verdict.headline == ("darts beat random search with 0.40 times its training MACs by 1.2 points [0.4, 2.0].")
    expected = "Budgets were not matched: random had 0.40 times the training MACs of darts, which favours darts."
    assert warned(verdict) == [expected]


def test_an_unmatched_budget_without_costs_is_told_with_its_note() -> None:
    note = "random search ended after 24 evaluations, this one after 30"
    rows = (opponent(matched=0, cost=None, random_cost=None, note=note),)
    verdict = decide(made(row(0.012, 0.008, matched=0), opponents=rows))
    assert warned(verdict) == [f"Budgets of darts and random were not matched ({note})."]
    assert "of its budget" not in verdict.paid.text


def test_sentences_leave_p_values_to_the_tables() -> None:
    """A comparison has one Holm-adjusted p: that of its row."""
    verdict = decide(loaded(MadeUp(means={"darts": 0.985, "evolution": 0.98})))
    text = " ".join([verdict.headline, verdict.paid.text, *warned(verdict), folded(verdict)])
    assert not re.search(r"Holm|\bp [<0]|standard deviations|device-hour|power|sign-flip", text)


def test_the_best_of_several_strategies_is_weighed_and_the_others_fold() -> None:
    config = Config.model_validate({"search": {"strategies": {"random": {}, "darts": {}, "evolution": {}}}})
    verdict = decide(made(row(-0.012, 0.008), row(0.012, 0.008, strategy="evolution"), config=config))
    assert verdict.paid.text.startswith("Yes: evolution is above")
    by_name = {one.strategy: " ".join(sentence.text for sentence in one.sentences) for one in verdict.strategies}
    assert "No: darts is below random search of its budget." in by_name["darts"]
    assert "random search" not in by_name["evolution"]


def test_without_validation_accuracies_every_baseline_is_met() -> None:
    rows = (row(0.012, 0.008), baseline(0.01), baseline(-0.02, against="wide"))
    verdict = decide(made(*rows))
    assert verdict.headline.endswith(", but lost to the baseline wide by 2.0 points [1.6, 2.4].")
    assert verdict.paid.text.startswith("Not against every baseline: ")
    assert "the best baseline" not in verdict.paid.text
