"""The verdict on few searches speaks of networks, and what failures or another recipe undo is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up import MadeUp, loaded
from outcomes import (
    DARTS,
    baseline,
    compared,
    folded,
    headline,
    made,
    one_search,
    opponent,
    plain,
    row,
    warned,
)

from nas_steps.config.schema import Config
from nas_steps.facts import FEWEST_SEARCHES
from nas_steps.report.evidence import networks
from nas_steps.report.records import (
    Comparison,
    Entry,
    Training,
)
from nas_steps.report.verdict import decide


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        (compared(0.053, 0.04), "darts-0's network beat random-0's by 5.3 points [1.3, 9.3]"),
        (compared(-0.053, 0.04), "darts-0's network lost to random-0's by 5.3 points [1.3, 9.3]"),
        (
            compared(0.01, 0.04),
            "No difference found between the networks of darts-0 and random-0: between -3.0 and +5.0 points",
        ),
        (
            compared(0.053, None, seeds="1 against 1"),
            "darts-0's network is 5.3 points above random-0's after one training each, too few to judge it",
        ),
        (
            compared(None, note="no sound training"),
            "The networks of darts-0 and random-0 have no difference to show (no sound training)",
        ),
    ],
)
def test_one_search_speaks_of_the_network(comparison: Comparison, words: str) -> None:
    verdict = decide(one_search(comparison))
    assert plain(verdict.headline) == f"{words}; one search each says nothing of the method."
    assert verdict.tone == "warning"
    assert warned(verdict)[0] == "1 search a side cannot judge darts: run 4 or more (search.seeds)."
    assert "cannot be told from 0" not in folded(verdict)


def test_a_single_network_that_lost_to_the_baseline_says_so() -> None:
    lost = compared(-0.02, 0.01, against="resnet20", role="baseline")
    found = decide(one_search(compared(0.01, 0.04), lost, rows=(replace(baseline(-0.02), outcome="few"),)))
    assert "; darts-0's network lost to the baseline resnet20 by 2.0 points [1.0, 3.0]; one search" in plain(
        found.headline
    )


def test_three_searches_are_too_few_and_four_are_asked_for() -> None:
    verdict = decide(one_search(compared(0.01, 0.04), searches=3))
    assert verdict.headline.endswith("; 3 against 3 searches are too few to judge the method.")
    assert warned(verdict)[0] == f"3 searches a side cannot judge darts: run {FEWEST_SEARCHES} or more (search.seeds)."


def test_enough_searches_that_end_in_one_network_ask_for_trainings_and_not_for_searches() -> None:
    verdict = decide(one_search(compared(0.053, None, seeds="1 against 1"), searches=4))
    assert verdict.headline.endswith("; searches that ended in one network, trained once, cannot judge the method.")
    assert warned(verdict)[0] == (
        "Searches ended in one network that was trained once, which cannot judge darts: train each network twice or "
        "more (retrain.seeds)."
    )


def test_the_best_network_by_validation_meets_random_search_of_its_own_seed() -> None:
    found = loaded(MadeUp(config=DARTS, searches=2))
    found = replace(found, config=Config.model_validate({**DARTS, "search": {**DARTS["search"], "seeds": 2}}))
    best = max(found.of_strategy("darts"), key=lambda one: one.valid_mean or 0)
    comparison = networks(found, "darts", "random")
    assert comparison is not None
    assert (comparison.entry, comparison.against) == (best.entry, f"random-{best.entry[-1]}")


def test_many_networks_are_grouped() -> None:
    strategies = {"random": {}, **{name: {"kind": "evolution"} for name in "abc"}}
    config = Config.model_validate({"search": {"strategies": strategies}})
    rows = [row(0.0, None, strategy=name, searches=1, against_searches=1) for name in "abc"]
    figures = {"a": 0.05, "b": -0.05, "c": 0.001}
    comparisons = tuple(compared(figures[name], strategy=name, entry=f"{name}-0") for name in "abc")
    entries = tuple(Entry(f"{name}-0", "searched", name, valid_mean=0.9) for name in "abc")
    base = made(*rows, config=config, comparisons=comparisons)
    opponents = tuple(opponent(name) for name in "abc")
    found = decide(replace(base, entries=(*base.entries, *entries), opponents=opponents))
    assert found.headline == (
        "The network a-0 beat that of random search by 5.0 points [4.6, 5.4]; the network b-0 lost to that of random "
        "search by 5.0 points [4.6, 5.4]; no difference found between the network c-0 and that of random search; one "
        "search each says nothing of the methods."
    )


# --------------------------------------------------------------------------------------- refused: failures, recipe


def test_a_win_that_failures_undo_is_refused() -> None:
    found = row(0.02, 0.01, failed=2, against_failed=0, failures_difference=-0.1, failures_low=-0.5,
                failures_high=0.3, failures_outcome="tie")  # fmt: skip
    assert headline(found) == (
        "No verdict on darts: 2 of its 4 searches had failed trainings. Without these darts beat random search by 2.0 "
        "points [1.0, 3.0]; with them at chance level no difference found between darts and random search: between "
        "-50.0 and +30.0 points."
    )
    verdict = decide(made(found))
    assert verdict.strategies[0].against_random == "failures"
    assert verdict.paid.text.startswith("It depends on failed trainings: without failed trainings darts is above")


def test_a_win_in_spite_of_failures_is_qualified() -> None:
    found = row(0.02, 0.01, failed=1, failures_difference=0.015, failures_low=0.001, failures_high=0.029,
                failures_outcome="beat")  # fmt: skip
    expected = "darts beat random search by 2.0 points [1.0, 3.0], although 1 of its 4 searches had failed trainings."
    assert headline(found) == expected


def test_failures_are_counted_as_losses_beside_their_number() -> None:
    trainings = (Training("darts-1", "searched", 0, "diverged"), Training("darts-1", "searched", 1, "ok"))
    found = row(0.02, 0.01, failed=1, failures_difference=-0.1, failures_low=-0.5, failures_high=0.3)
    assert warned(decide(made(found, trainings=trainings)))[0] == (
        "1 of 2 final trainings failed: 1 of darts-1 (diverged). With failures at chance level: darts against random "
        "-10.0 points [-50.0, 30.0]."
    )


@pytest.mark.parametrize(("other", "refused"), [(-0.02, True), (0.001, True), (0.03, False), (None, False)])
def test_a_win_that_another_recipe_does_not_repeat_is_refused(other: float | None, refused: bool) -> None:
    long = replace(row(other, 0.01), recipe="long")
    verdict = decide(made(row(0.02, 0.01), recipe_contests=(replace(row(0.02, 0.01), recipe="main"), long)))
    assert (verdict.strategies[0].against_random == "recipe") is refused
    assert verdict.headline.startswith("The verdict depends on the recipe: ") is refused
    assert any("changes with the recipe" in text for text in warned(verdict)) is refused


def test_a_verdict_that_flips_names_both_outcomes() -> None:
    long = replace(row(-0.02, 0.01), recipe="long")
    agreement = ({"recipe": "main", "other": "long", "kendall_tau": -0.1},)
    base = made(row(0.02, 0.01), recipe_contests=(long,), recipe_agreement=agreement)
    verdict = decide(base)
    assert verdict.headline == (
        "The verdict depends on the recipe: with main darts beat random search by 2.0 points [1.0, 3.0], with long "
        "darts lost to random search by 2.0 points [1.0, 3.0]."
    )
    assert verdict.paid.text.startswith("It depends on the recipe: with the main recipe darts is above random search")
    assert warned(verdict)[0] == (
        "The outcome of darts against random changes with the recipe; judge by the recipe that you will ship with. "
        "Kendall's tau between recipes: main and long -0.10."
    )
