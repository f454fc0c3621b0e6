"""The verdict follows its printed rules, on outcomes made up by hand and on made-up files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up import MadeUp, loaded, results_of, write
from stepping import settings_files

from nas_steps.config.schema import Config
from nas_steps.facts import FEWEST_SEARCHES
from nas_steps.provenance.settings import read_settings
from nas_steps.report import cautions, gains
from nas_steps.report.evidence import networks, standing
from nas_steps.report.forest import forest
from nas_steps.report.records import (
    Agreement,
    Comparison,
    Contest,
    Entry,
    HistoryRow,
    JobCost,
    Search,
    SearchCost,
    Training,
    Winner,
)
from nas_steps.report.results import Results, load_results
from nas_steps.report.settings import ReportSettings
from nas_steps.report.signals import collapsed_from, energy, pareto
from nas_steps.report.verdict import Verdict, decide

DARTS = {"search": {"seeds": 4, "strategies": {"random": {}, "darts": {}}}}


def row(difference: float | None, half: float | None = 0.004, **more: Any) -> Contest:
    """darts against random search with an interval of +- `half`; the outcome follows the interval."""
    low, high = (None, None) if difference is None or half is None else (difference - half, difference + half)
    outcome = "missing" if difference is None else "few" if low is None or high is None else "tie"
    if low is not None and high is not None and not low <= 0 <= high:
        outcome = "beat" if low > 0 else "lost"
    usual = {"strategy": "darts", "against": "random", "role": "random", "searches": 4, "against_searches": 4,
             "matched": 1, "difference": difference, "low": low, "high": high, "p_holm": 0.01,
             "outcome": outcome}  # fmt: skip
    return Contest(**{**usual, **more})


def baseline(difference: float, half: float = 0.004, **more: Any) -> Contest:
    return row(difference, half, **{"role": "baseline", "against": "resnet20", "against_searches": 1, **more})


def uniform(difference: float, half: float = 0.004, **more: Any) -> Contest:
    given = {"role": "uniform", "against": "uniform", "against_searches": 8, "relative_improvement": difference / 0.9}
    return row(difference, half, **{**given, **more})


def opponent(strategy: str = "darts", **more: Any) -> dict[str, Any]:
    usual = {"strategy": strategy, "search_seed": 0, "random": "random", "entry": "random-0", "evaluations": 20,
             "of": 20, "cost": 1e8, "random_cost": 1e8, "matched": 1, "seconds": 110.0,
             "random_seconds": 100.0, "note": ""}  # fmt: skip
    return {**usual, **more}


def made(*rows: Contest, **more: Any) -> Results:
    """Results with one DARTS search, one of random search, one baseline."""
    config = more.pop("config", Config.model_validate(DARTS))
    usual: dict[str, Any] = {
        "meta": {},
        "budget": {"strategies": {}},
        "searches": (Search("random", "random", 0), darts()),
        "entries": (
            Entry("random-0", "random", "random", macs=900, test_mean=0.95, valid_mean=0.95),
            Entry("darts-0", "searched", "darts", macs=1000, test_mean=0.96, valid_mean=0.96),
            Entry("resnet20", "baseline", macs=1100, test_mean=0.97, valid_mean=0.97),
        ),
        "winners": (Winner("random-0", "random", "random", 0, "x", 0.9), Winner("darts-0", "searched", "darts", 0)),
        "trainings": (Training("darts-0", "searched", 0, "ok", train_seconds=20.0),),
        "contests": rows,
        "opponents": (opponent(),),
        "search_costs": (SearchCost("random", 0, search_seconds=80.0, ranking_seconds=20.0),
                         SearchCost("darts", 0, search_seconds=90.0, ranking_seconds=20.0)),
    }  # fmt: skip
    return results_of(config, **{**usual, **more})


def darts(*history: HistoryRow) -> Search:
    return Search("darts", "darts", 0, history, trains_supernet=True, has_alphas=True)


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")


def headline(*rows: Contest, **more: Any) -> str:
    return plain(decide(made(*rows, **more)).headline)


def warned(verdict: Verdict) -> list[str]:
    return [plain(one.text) for one in verdict.cautions]


def folded(verdict: Verdict) -> str:
    sentences = [one.text for strategy in verdict.strategies for one in strategy.sentences]
    return plain(" ".join([*sentences, *(one.text for one in verdict.general)]))


# --------------------------------------------------------------------------------------------------- headlines


def test_a_win_is_told_with_its_interval() -> None:
    verdict = decide(made(row(0.012, 0.008)))
    assert verdict.headline == "darts beat random search by 1.2 points [0.4, 2.0]."
    assert (verdict.tone, verdict.strategies[0].against_random) == ("win", "beat")


def test_a_loss_has_its_size() -> None:
    assert headline(row(-0.012, 0.008)) == "darts lost to random search by 1.2 points [0.4, 2.0]."
    assert decide(made(row(-0.012, 0.008))).tone == "loss"


def test_a_tie_is_no_loss() -> None:
    expected = "No difference found between darts and random search: between -2.2 and +2.1 points."
    assert headline(row(-0.0005, 0.0215)) == expected
    assert decide(made(row(-0.0005, 0.0215))).tone == "plain"


def test_a_loss_to_the_best_baseline_is_in_the_headline_with_its_size() -> None:
    lost = baseline(-0.02, 0.01)
    by = "to the baseline resnet20 by 2.0 points [1.0, 3.0]."
    assert headline(row(0.012, 0.008), lost) == f"darts beat random search by 1.2 points [0.4, 2.0], but lost {by}"
    assert headline(row(-0.012, 0.008), lost) == f"darts lost to random search by 1.2 points [0.4, 2.0], and {by}"
    assert headline(row(0.001, 0.008), lost).endswith(f"; darts lost {by}")
    assert decide(made(row(0.012, 0.008), lost)).tone == "warning"


def test_a_ceiling_is_a_tie() -> None:
    """All accuracies the same: an interval without a width."""
    same = row(0.0, 0.0, note="all accuracies are the same")
    assert headline(same) == "No difference found between darts and random search: 0.0 points."
    tie = replace(row(0.001), low=None, high=None, outcome="tie")
    assert headline(tie) == "No difference found between darts and random search: +0.1 points, without an interval."


def test_several_strategies_are_a_short_list() -> None:
    config = Config.model_validate({"search": {"strategies": {"random": {}, "darts": {}, "evolution": {}, "enas": {}}}})
    win, loss = row(0.012, 0.008), row(-0.012, 0.008, strategy="evolution")
    tie = row(0.001, 0.008, strategy="enas")
    assert headline(win, loss, tie, config=config) == (
        "darts beat random search by 1.2 points [0.4, 2.0]; evolution lost to it by 1.2 points [0.4, 2.0]; "
        "no difference found for enas (at most 0.9 points either way)."
    )
    few = replace(tie, low=None, high=None, outcome="few")
    ties = [row(0.001, 0.008), row(0.002, 0.008, strategy="evolution")]
    assert headline(*ties, few, baseline(-0.01), baseline(-0.02, strategy="evolution"), config=config) == (
        "Against random search: no difference found for darts and evolution (at most 1.0 points either way); "
        "too few searches to judge enas; darts and evolution lost to the baseline resnet20 by 1.0 to 2.0 points."
    )


def many(number: int) -> tuple[Config, list[str]]:
    names = [f"s{place}" for place in range(number)]
    strategies = {"random": {}, **{name: {"kind": "evolution"} for name in names}}
    return Config.model_validate({"search": {"strategies": strategies}}), names


def test_the_headline_of_many_strategies_groups_wins_and_losses() -> None:
    config, names = many(14)
    differences = [0.01, 0.02, 0.03, 0.04, 0.05, -0.01, -0.01, -0.03, 0.001, 0.001, 0.001, 0.001, 0.001, 0.002]
    rows = [row(one, strategy=name) for one, name in zip(differences, names, strict=True)]
    rows[0] = replace(rows[0], failed=1, failures_outcome="beat")
    behind = [baseline(-0.02, strategy=name) for name in names]
    assert headline(*rows, *behind, config=config) == (
        "s4, s3, s2 and 2 more beat random search by 1.0 to 5.0 points, although 1 of them had failed trainings; "
        "s7, s5 and s6 lost to it by 1.0 to 3.0 points; no difference found for s8, s9, s10 and 3 more (at most 0.6 "
        "points either way); s0, s1, s2 and 11 more lost to the baseline resnet20 by 2.0 points."
    )


def test_ties_of_several_strategies_name_the_adjustment_if_an_interval_excludes_0() -> None:
    config, names = many(2)
    ties = [row(0.001, strategy=names[0]), replace(row(0.005, strategy=names[1]), outcome="tie", p_holm=0.06)]
    assert headline(*ties, config=config) == (
        "Against random search: no difference found after Holm's adjustment for s0 and s1 (at most 0.9 points either "
        "way)."
    )


def test_a_tie_whose_interval_excludes_0_names_the_adjustment() -> None:
    tie = replace(row(0.005), outcome="tie", p_holm=0.06)
    expected = (
        "No difference found between darts and random search after Holm's adjustment: between +0.1 and +0.9 points."
    )
    assert headline(tie) == expected


def test_losses_to_several_baselines_are_grouped_and_ties_may_lack_intervals() -> None:
    config = Config.model_validate({"search": {"strategies": {"random": {}, "darts": {}, "evolution": {}}}})
    ties = [replace(row(0.001, strategy=name), low=None, high=None, outcome="tie") for name in ("darts", "evolution")]
    lost = [baseline(-0.01), baseline(-0.02, strategy="evolution"), baseline(-0.03, against="wide")]
    assert headline(*ties, *lost, config=config) == (
        "Against random search: no difference found for darts and evolution; darts and evolution lost to the baseline "
        "resnet20 by 1.0 to 2.0 points; darts lost to the baseline wide by 3.0 points [2.6, 3.4]."
    )


def test_several_random_searches_must_agree() -> None:
    win, tie, loss, missing = row(0.01), row(0.001, 0.005), row(-0.01), row(None)
    judge = made()
    assert standing(judge, [win, win]) == "beat"
    assert standing(judge, [loss, loss]) == "lost"
    assert standing(judge, [win, tie]) == standing(judge, [win, loss]) == standing(judge, [win, missing]) == "mixed"
    assert standing(judge, [tie, missing]) == "tie"
    assert standing(judge, []) == "missing"
    config = Config.model_validate({"search": {"strategies": {"random": {}, "long": {"kind": "random"}, "darts": {}}}})
    assert headline(win, replace(tie, against="long"), config=config) == (
        "darts beat random by 1.0 points [0.6, 1.4]; no difference found between darts and long: between -0.4 and +0.6 "
        "points."
    )


def test_without_figures_there_is_a_verdict_still() -> None:
    missing = row(None, note="no sound training on one side")
    trainings = tuple(Training("darts-0", "searched", seed, "diverged") for seed in range(3))
    base = made(missing, trainings=trainings, search_costs=())
    verdict = decide(replace(base, entries=tuple(replace(one, test_mean=None) for one in base.entries)))
    assert verdict.headline == (
        "No verdict: no searched network has a figure beside random search (no sound training on one side)."
    )
    assert verdict.paid.text == "Not known: darts has no figure to compare."
    assert warned(verdict) == ["3 of 3 final trainings failed: 3 of darts-0 (diverged)."]
    assert "What darts cost was not measured." in folded(verdict)


def test_random_search_alone_has_no_verdict() -> None:
    verdict = decide(made(config=Config.model_validate({"search": {"strategies": {"random": {"evaluations": 4}}}})))
    assert verdict.headline == "Only random search was run, so there is no search to judge."
    assert verdict.paid.text.startswith("Not known: add a strategy to search.strategies")


# ------------------------------------------------------------------------------------------------ few searches


def compared(difference: float | None, half: float | None = 0.004, **more: Any) -> Comparison:
    """The network of darts-0 against that of random-0."""
    like = row(difference, half)
    usual = {"entry": "darts-0", "strategy": "darts", "against": "random-0", "role": "random", "seeds": "3 against 3",
             "difference": difference, "low": like.low, "high": like.high, "outcome": like.outcome}  # fmt: skip
    return Comparison(**{**usual, **more})


def one_search(*comparisons: Comparison, searches: int = 1, rows: tuple[Contest, ...] = (), **more: Any) -> Results:
    few = row(0.0, None, searches=searches, against_searches=searches)
    return made(few, *rows, comparisons=comparisons, **more)


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


# ---------------------------------------------------------------------------------------------- did searching pay?


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


# ------------------------------------------------------------------------------------------------------- cautions


def test_at_most_three_cautions_are_shown_in_the_order_of_the_rule() -> None:
    history = (HistoryRow(1, parameter_free=1.0, entropy=1.6),)
    base = one_search(compared(0.01, 0.04))
    entries = (*base.entries[:2], replace(base.entries[2], macs=9000))
    trainings = (*base.trainings, Training("darts-0", "searched", 1, "diverged"))
    base = replace(
        base, searches=(darts(*history),), opponents=(opponent(matched=0, random_cost=4e7),), trainings=trainings,
        entries=entries, contests=(*base.contests, baseline(0.01)),
    )  # fmt: skip
    verdict = decide(base)
    assert [text.partition(":")[0] for text in warned(verdict)] == [
        "1 of 2 final trainings failed",
        "1 search a side cannot judge darts",
        "Budgets were not matched",
    ]
    rest = folded(verdict)
    order = [rest.index(words) for words in ("times the MACs of resnet20", "Collapsed", "The alphas hardly decided")]
    assert order == sorted(order)
    assert len(cautions.ranked(base)) > cautions.SHOWN == 3


@pytest.mark.parametrize(("seconds", "warns"), [(110.0, False), (149.0, False), (160.0, True), (60.0, True)])
def test_seconds_that_belie_matched_macs_are_warned_of(seconds: float, warns: bool) -> None:
    costs = (SearchCost("darts", 0, search_seconds=seconds - 20, ranking_seconds=20.0),)
    told = warned(decide(made(row(0.01), search_costs=costs)))
    assert any("matched in MACs, but not in time" in text for text in told) is warns


def test_sizes_that_differ_are_warned_of() -> None:
    base = made(row(0.01), baseline(0.01))
    entries = (*base.entries[:2], replace(base.entries[2], macs=4000))
    assert warned(decide(replace(base, entries=entries))) == [
        "The networks of darts have 0.25 times the MACs of resnet20: that difference is one of size, too."
    ]
    assert warned(decide(base)) == []


def test_sizes_of_many_strategies_are_a_range() -> None:
    config, names = many(5)
    base = made(*[baseline(0.01, strategy=name) for name in names], config=config)
    searched = [Entry(f"{name}-0", "searched", name, macs=200 * place) for place, name in enumerate(names, start=1)]
    entries = (*searched, Entry("resnet20", "baseline", macs=4000))
    assert (
        "The networks of s0, s1, s2 and 2 more have 0.05 to 0.25 times the MACs of resnet20: that difference is one of "
        "size, too."
    ) in [plain(one.text) for one in cautions.ranked(replace(base, entries=entries))]


def test_networks_above_the_budget_of_the_baselines_are_named() -> None:
    raw = {**DARTS, "retrain": {"budget": {"macs": 950}}}
    (told, *_) = warned(decide(made(row(0.01), config=Config.model_validate(raw))))
    assert told == (
        "Sizes were not matched: above the budget of the baselines (in numbers) are resnet20 (1.16 times the MACs) and "
        "darts-0 (1.05 times the MACs)."
    )


def test_many_networks_above_the_budget_are_counted() -> None:
    raw = {**DARTS, "retrain": {"budget": {"macs": 950}}}
    base = made(row(0.01), config=Config.model_validate(raw))
    more = tuple(Entry(f"uniform-{place}", "uniform", macs=1000 + 100 * place) for place in range(4))
    (told, *_) = warned(decide(replace(base, entries=(*base.entries, *more))))
    assert told == (
        "Sizes were not matched: above the budget of the baselines (in numbers) are 6 networks (the largest is "
        "uniform-3: 1.37 times the MACs)."
    )


def test_a_tie_whose_own_interval_excludes_0_shows_the_adjusted_p() -> None:
    one = replace(row(0.01), low=0.002, high=0.018, p_holm=0.09, outcome="tie")
    drawing = forest(made(one)) or ""
    assert "Holm p 0.090" in drawing
    assert "Holm p" not in (forest(made(replace(one, low=-0.002))) or "")


def test_a_training_at_chance_level_is_named() -> None:
    verdict = decide(loaded(MadeUp(config=DARTS, by_chance={"darts-2": 1}, spread=0.0002)))
    assert warned(verdict)[0] == (
        "1 training ended at chance level: darts-2 with seed 0 (10.3 %). The mean of such a network is not that of a "
        "trained one."
    )


def test_one_training_seed_is_a_caution() -> None:
    config = Config.model_validate({**DARTS, "retrain": {"seeds": 1}})
    (told,) = warned(decide(made(row(0.01), config=config)))
    assert (
        told
        == "Each network was trained once: how far another training of it would differ is not known (retrain.seeds)."
    )


@pytest.mark.parametrize(
    ("entropy", "percent"), [(0.9498, "95 %"), (0.9451, "95 %"), (0.944, None), (0.3, None), (1.0, "100 %")]
)
def test_alphas_that_hardly_decided_are_flagged_by_the_printed_percentage(entropy: float, percent: str | None) -> None:
    base = made(row(0.01))
    largest = base.space.largest_entropy()  # type: ignore[union-attr]
    told = warned(decide(replace(base, searches=(darts(HistoryRow(1, entropy=entropy * largest)),))))
    expected = f"The alphas hardly decided: of the largest possible entropy they kept {percent} in darts-0."
    assert told == ([] if percent is None else [expected])


@pytest.mark.parametrize(("free", "collapsed"), [(0.5, False), (0.74, False), (0.746, True), (0.75, True), (1.0, True)])
def test_collapse_is_judged_by_the_last_epoch(free: float, collapsed: bool) -> None:
    history = (HistoryRow(1, parameter_free=1.0, entropy=1.0), HistoryRow(2, parameter_free=free, entropy=0.8))
    told = warned(decide(made(row(0.01), searches=(darts(*history),))))
    assert any(text.startswith("Collapsed") for text in told) is collapsed
    assert len(told) == collapsed


def test_a_collapse_is_dated() -> None:
    shares = (0.9, 0.5, 0.75, 0.8, 1.0)
    history = tuple(HistoryRow(epoch, parameter_free=share) for epoch, share in enumerate(shares, start=1))
    assert collapsed_from(darts(*history)) == 3
    (told,) = warned(decide(made(row(0.01), searches=(darts(*history),))))
    assert "darts-0 (100 %, from epoch 3 on)" in told
    ended = (*history[:4], replace(history[4], parameter_free=0.5))
    assert collapsed_from(darts(*ended)) is None


@pytest.mark.parametrize(("images", "warns"), [(360, True), (2000, False)])
def test_few_validation_images_are_a_caution(images: int, warns: bool) -> None:
    base = replace(made(row(0.01)), meta={"counts": {"valid": {"a": images}}})
    expected = "Chance moves an accuracy on 360 validation images by ±1.8 points: choices by validation are no finer."
    assert warned(decide(base)) == ([expected] if warns else [])


def test_accuracies_near_the_ceiling_are_a_caution() -> None:
    base = made(row(0.0, 0.001))
    high = tuple(replace(one, test_mean=0.998) for one in base.entries)
    (told,) = warned(decide(replace(base, entries=high)))
    assert told == "The networks' mean test accuracy is 99.80 %: harder data are needed to tell strategies apart."


# --------------------------------------------------------------------------------------------------------- folded


def test_cost_counts_the_ranking_and_divides_by_trainings_of_the_same_kind() -> None:
    text = folded(decide(made(row(0.01))))
    assert (
        "One search by darts took 1 min 50 s with its ranking, 5.5 times one final training (20.0 s); random within "
        "this budget took 1 min 40 s."
    ) in text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (Agreement("darts", "supernet", 8, 0.5, low=0.1, high=0.8), "ranks architectures as separate training does"),
        (Agreement("darts", "supernet", 8, 0.5, low=-0.1, high=0.8), "cannot be said to rank"),
        (Agreement("darts", "supernet", 8, -0.5, low=-0.8, high=-0.1), "the wrong way round"),
        (Agreement("all", "supernet", 8, 0.2, low=-0.1, high=0.8), "of all strategies together cannot be said"),
        (Agreement("darts", "supernet", 6, 0.5, low=0.1, high=0.8), None),
        (Agreement("darts", "supernet", 3, 1.0, note="few architectures"), None),
    ],
)
def test_a_tau_of_fewer_than_seven_architectures_is_left_out(line: Agreement, expected: str | None) -> None:
    text = folded(decide(made(row(0.01), agreement=(line,))))
    assert ("tau" in text) is (expected is not None)
    assert expected is None or expected in text


def test_a_gap_is_one_sentence_a_strategy() -> None:
    wide = decide(made(row(0.01), searches=(darts(HistoryRow(1, "a", 0.8, discrete_accuracy=0.65)),)))
    assert (
        "Keeping the strongest operations alone cost darts 15.0 points of validation accuracy: a discretisation gap in "
        "1 of 1 search."
    ) in folded(wide)
    narrow = decide(made(row(0.01), searches=(darts(HistoryRow(1, "a", 0.8, discrete_accuracy=0.75)),)))
    assert "cost darts 5.0 points of validation accuracy: no discretisation gap." in folded(narrow)


def test_best_trade_offs_are_those_that_none_dominates() -> None:
    small = Entry("small", "random", macs=100, test_mean=0.90)
    same_size = Entry("worse", "random", macs=100, test_mean=0.89)
    middle = Entry("middle", "searched", macs=200, test_mean=0.90)  # no better than small
    large = Entry("large", "baseline", macs=300, test_mean=0.95)
    unknown = Entry("lost", "searched", macs=50)
    assert pareto([large, middle, same_size, unknown, small]) == [small, large]


def test_exact_ties_stay_on_the_front() -> None:
    one, other = (Entry(name, "searched", macs=100, test_mean=0.90) for name in ("one", "other"))
    third = Entry("third", "searched", macs=100, test_mean=0.90)
    large = Entry("large", "baseline", macs=300, test_mean=0.95)
    assert pareto([large, one, other, third]) == [one, other, third, large]


def job(
    began: float | None,
    seconds: float = 10.0,
    joules: float | None = 100.0,
    device: str = "a GPU",
    *,
    shared: bool = False,
) -> JobCost:
    cost = JobCost("search", device, seconds, seconds, 0.0, 0.0, energy_joules=joules, began=began)
    return replace(cost, energy_is_shared=shared)


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([], (None, False)),
        ([job(0.0, joules=None)], (None, False)),
        ([job(0.0), job(10.0)], (200.0, False)),
        ([job(0.0), job(9.0)], (200.0, True)),  # both counted the whole card
        ([job(0.0, 30.0), job(5.0, 1.0), job(20.0)], (300.0, True)),
        ([job(0.0), job(5.0, device="another GPU")], (200.0, False)),
        ([job(0.0), job(None)], (200.0, True)),  # it cannot be told
        ([job(0.0), job(5.0, joules=None)], (100.0, False)),
        ([job(0.0, shared=True), job(5.0, shared=True), job(5.0)], (300.0, False)),  # shared out while they ran
        ([job(0.0, shared=True), job(5.0), job(9.0)], (300.0, True)),
    ],
)
def test_energy_of_a_shared_card_is_an_upper_bound(jobs: list[JobCost], expected: tuple[float | None, bool]) -> None:
    assert energy(jobs) == expected


def test_every_rule_is_printed_with_the_verdict_and_is_short() -> None:
    rules = decide(made(row(0.01))).rules
    for word in ("Holm", "at least 4 a side", "validation", "collapsed", "Kendall", "trade-off", "factor of 1.5",
                 "recipe", "chance level", "relative improvement", "in this order"):  # fmt: skip
        assert word in " ".join(rules), word
    for rule in rules:
        for sentence in re.split(r"(?<=[.;:]) ", rule):
            assert len(sentence.split()) <= 25, sentence


# ------------------------------------------------------------------------------------ from files to the first screen

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "win": ({"config": DARTS, "means": {"darts": 0.985}}, r"^darts beat random search by 2\.\d+ points \[.*\]\.$"),
    "loss": ({"config": DARTS, "means": {"darts": 0.945}}, r"^darts lost to random search by 1\.\d+ points \["),
    "tie": (
        {"config": DARTS, "means": {"darts": 0.9625}},
        r"^No difference found between darts and random search: betw",
    ),
    "one search": (
        {"config": {"search": {**DARTS["search"], "seeds": 1}}},
        r"one search each says nothing of the method",
    ),
    "failures": (
        {"config": DARTS, "means": {"darts": 0.985}, "failed": {"darts-1": 2}},
        r"^No verdict on darts: 1 of its 4 searches had failed trainings",
    ),
    "recipe": (
        {"config": DARTS, "means": {"darts": 0.985}, "recipes": {"long": {"darts": 0.94}}},
        r"^The verdict depends on the recipe: with main darts beat .*, with long darts lost",
    ),
    "nothing ended": ({"diverged": ["all"], "scaled": False, "tau": None}, r"^No verdict"),
}


@pytest.mark.parametrize("name", CASES)
def test_made_up_experiments_have_the_headline_that_they_earn(name: str) -> None:
    changes, expected = CASES[name]
    verdict = decide(loaded(MadeUp(**changes)))
    assert re.search(expected, verdict.headline), verdict.headline
    text = " ".join([verdict.headline, verdict.paid.text, *warned(verdict), folded(verdict)])
    assert not {"nan", "inf", "None"} & set(re.findall(r"[A-Za-z]+", text))
    assert len(verdict.cautions) <= cautions.SHOWN


def test_beside_shared_weights_a_supernet_of_its_own_is_matched_in_macs() -> None:
    estimator = {"kind": "shared_weights", "supernet": {"sampling": "uniform"}}
    search = {"estimator": estimator, "strategies": {"random": {}, "evolution": {}, "darts": {}}}
    found = results_of(Config.model_validate({"search": search}), None, {})
    own, shared = (gains.random_search(found, row(0.01, strategy=name)) for name in ("darts", "evolution"))
    assert (own, shared) == ("random search of its budget", "random search with as many evaluations")


def test_recipes_that_the_config_has_no_longer_do_not_refuse_a_verdict(tmp_path: Path) -> None:
    made = MadeUp(config=DARTS, means={"darts": 0.985}, recipes={"long": {"darts": 0.94}})
    folder, _ = write(tmp_path, made)
    settings = settings_files(replace(made, recipes={}).validated(), tmp_path / "results")["report"]
    found = load_results(read_settings(settings, ReportSettings), folder, tmp_path / "results/data")
    assert (found.recipes, found.recipe_contests, found.recipe_agreement) == ((), (), ())
    assert decide(found).headline.startswith("darts beat random search")


def test_a_table_is_judged_by_its_searches(tmp_path: Path) -> None:
    verdict = decide(loaded(MadeUp(config=table_config(tmp_path), means={"evolution": 0.97})))
    assert re.match(r"evolution beat random search by 0\.\d+ points \[", verdict.headline)
    assert verdict.paid.text.startswith("Yes: evolution is ")
    assert "above random search with as many evaluations." in verdict.paid.text
    assert "Nothing was trained" in verdict.rules[0]
    few = decide(loaded(MadeUp(config=table_config(tmp_path), searches=3)))
    assert re.match(
        r"The winners of evolution have .* points against those of random search; 3 against 3", few.headline
    )


def table_config(folder: Path) -> dict[str, Any]:
    """A benchmark's table of a small space."""
    from nas_steps.spaces.cells.presets import PRESETS
    from nas_steps.spaces.protocol import members

    names = map(str, members(PRESETS["nasbench201"].replace(nodes=2)))
    (folder / "table.csv").write_text("\n".join(["architecture,few,all", *(f"{name},50,60" for name in names)]) + "\n")
    estimator = {"kind": "table", "path": str(folder / "table.csv"), "search": "few", "report": "all"}
    space = {"preset": "nasbench201", "nodes": 2}
    return {"space": space, "search": {"strategies": {"random": {}, "evolution": {}}, "estimator": estimator}}
