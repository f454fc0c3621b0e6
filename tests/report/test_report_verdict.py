"""The verdict follows its printed rules, on outcomes made up by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nas_steps.config.schema import Config
from nas_steps.report.records import Agreement, Comparison, Entry, JobCost, Search, Step, Training
from nas_steps.report.results import Results
from nas_steps.report.signals import pareto
from nas_steps.report.verdict import Verdict, best_baseline, combined, decide, outcome


def row(difference: float | None, half: float | None = 0.004, p: float | None = 0.01, **more: Any) -> Comparison:
    """darts-0 against random-0 with an interval of +- `half`."""
    bounded = difference is not None and half is not None
    low = difference - half if bounded else None  # type: ignore[operator]
    high = difference + half if bounded else None  # type: ignore[operator]
    usual = {"entry": "darts-0", "strategy": "darts", "against": "random-0", "role": "random", "pairs": 5}
    return Comparison(**{**usual, "difference": difference, "low": low, "high": high, "p_holm": p, **more})  # type: ignore[arg-type]


def made(*comparisons: Comparison, **more: Any) -> Results:
    """Results with one DARTS search, one of random search, one baseline."""
    config = Config.model_validate({"search": {"strategies": {"random": {}, "darts": {}}}})
    usual: dict[str, Any] = {
        "config": config,
        "meta": {},
        "budget": {
            "strategies": {
                "random": {"kind": "random", "evaluations": 20, "training_macs": 1e8, "relative": 1.0},
                "darts": {"kind": "darts", "evaluations": None, "training_macs": 1.02e8, "relative": 1.02},
            }
        },
        "searches": (Search("random", "random", 0), Search("darts", "darts", 0)),
        "entries": (
            Entry("random-0", "random", "random", macs=900, test_mean=0.95, valid_mean=0.95),
            Entry("darts-0", "searched", "darts", macs=1000, test_mean=0.96, valid_mean=0.96),
            Entry("resnet20", "baseline", macs=4000, test_mean=0.97, valid_mean=0.97),
        ),
        "trainings": (Training("darts-0", "searched", 0, "ok", train_seconds=20.0),),
        "comparisons": comparisons,
        "costs": (cost("random", 100.0), cost("darts", 110.0)),
    }
    return Results(**{**usual, **more})


def cost(strategy: str, seconds: float) -> JobCost:
    return JobCost("search", "cpu", seconds, seconds, 100.0, 0.0, search=f"{strategy}-0")


def against(name: str, difference: float, **more: Any) -> Comparison:
    return row(difference, against=name, role="baseline", **more)


def said(verdict: Verdict) -> str:
    """All sentences as one text, with plain spaces."""
    sentences = [one.text for strategy in verdict.strategies for one in strategy.sentences]
    return " ".join([*sentences, *(one.text for one in verdict.general)]).replace("\N{NO-BREAK SPACE}", " ")


def warned(verdict: Verdict) -> list[str]:
    return [one.text for strategy in verdict.strategies for one in strategy.sentences if one.tone == "warning"]


def test_a_clear_win_is_told_with_its_interval() -> None:
    verdict = decide(made(row(0.012, 0.008)))
    assert verdict.headline == "darts beat random search by 1.2 points [0.4, 2.0]."
    assert verdict.tone == "win"
    assert verdict.strategies[0].against_random == "beat"
    assert "over 5 seeds (Holm-adjusted p 0.010)" in said(verdict)


def test_a_win_over_random_that_loses_to_the_baseline_says_so_in_the_headline() -> None:
    verdict = decide(made(row(0.012, 0.008), against("resnet20", -0.02)))
    assert verdict.headline.endswith("but lost to the hand-designed resnet20.")
    assert verdict.tone == "warning"


def test_a_tie_is_no_win() -> None:
    verdict = decide(made(row(0.003, 0.008, 0.4)))
    assert verdict.headline == "The search did not beat random search."
    assert "darts cannot be told from random search: difference 0.3 points [−0.5, 1.1] over 5 seeds" in said(verdict)


def test_a_loss_is_told() -> None:
    verdict = decide(made(row(-0.012, 0.008)))
    assert verdict.headline == "The search lost to random search."
    assert "darts lost to random search: −1.2 points [−2.0, −0.4]" in said(verdict)


def test_two_seeds_are_too_few_however_large_the_difference() -> None:
    verdict = decide(made(row(0.3, None, None, pairs=2, note="2 of the 3 seeds that a claim needs")))
    assert verdict.headline == "Too few seeds for a claim."
    assert "The measured difference is 30.0 points over 2 seeds; 3 are needed." in said(verdict)
    # nor do figures that the file has no business to give
    assert outcome(row(0.3, 0.01, 0.001, pairs=2)) == "few"


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        (row(0.01, 0.004, 0.04), "beat"),
        (row(0.01, 0.004, 0.06), "tie"),  # the interval excludes 0, Holm's adjustment does not agree
        (row(0.01, 0.012, 0.04), "tie"),  # the other way round
        (row(-0.01, 0.004, 0.04), "lost"),
        (row(0.0, 0.004, 1.0), "tie"),
        (row(0.01, None, None, note="the difference is the same for every seed"), "missing"),
        (row(None, pairs=0), "missing"),
    ],
)
def test_a_claim_needs_both_the_interval_and_the_adjusted_p(comparison: Comparison, expected: str) -> None:
    assert outcome(comparison) == expected


def test_an_interval_that_excludes_zero_without_a_claim_is_explained() -> None:
    assert "the interval alone, which excludes 0, is not enough" in said(decide(made(row(0.01, 0.004, 0.06))))


def test_several_winners_beat_only_if_all_comparisons_do() -> None:
    win, tie, loss, missing = row(0.01), row(0.001, 0.005, 0.5), row(-0.01), row(None, pairs=0)
    assert combined([win, win]) == "beat"
    assert combined([loss, loss]) == "lost"
    assert combined([win, tie]) == combined([win, loss]) == combined([win, missing]) == "mixed"
    assert combined([tie, missing]) == "tie"
    assert combined([]) == "missing"
    verdict = decide(made(win, replace(tie, entry="darts-1")))
    assert verdict.headline == "The search did not beat random search."
    assert "its comparisons disagree. Of 2 comparisons: 1 won and 1 not told apart" in said(verdict)


def test_the_best_of_several_searches_is_labelled_and_stands_beside_the_mean() -> None:
    base = made(row(0.01), row(0.01, entry="darts-1"))
    more = Entry("darts-1", "searched", "darts", macs=1000, test_mean=0.98)
    text = said(decide(replace(base, entries=(*base.entries, more))))
    assert "winners of darts: 97.0 % in the mean of 2, 98.0 % for the best of 2" in text
    assert "random search: 95.0 % in the mean of 1" in text


def test_the_best_baseline_is_chosen_by_validation_and_not_by_test() -> None:
    lucky = Entry("lucky", "baseline", test_mean=0.99, valid_mean=0.90)
    steady = Entry("steady", "baseline", test_mean=0.96, valid_mean=0.95)
    found, how = best_baseline([lucky, steady])
    assert (found, how) == (steady, "best of 2 baselines by validation accuracy")
    found, how = best_baseline([replace(lucky, valid_mean=None), replace(steady, valid_mean=None)])
    assert found is not None
    assert found.entry == "lucky"
    assert how.startswith("best of 2 baselines by test accuracy")


def test_a_diverged_baseline_is_not_the_best_one() -> None:
    lost = Entry("lost", "baseline", test_mean=None, valid_mean=None)
    assert best_baseline([lost]) == (None, "none")
    base = made(row(0.01))
    entries = (*base.entries[:2], lost)
    assert "no hand-designed baseline to be compared with" in said(decide(replace(base, entries=entries)))


def test_cost_is_told_in_final_trainings() -> None:
    assert "took 1 min 50 s of job time, 5.5 times one final training (20.0 s)" in said(decide(made(row(0.01))))


@pytest.mark.parametrize(("seconds", "warns"), [(110.0, False), (149.0, False), (160.0, True), (60.0, True)])
def test_seconds_that_belie_matched_macs_are_warned_of(seconds: float, warns: bool) -> None:
    verdict = decide(made(row(0.01), costs=(cost("random", 100.0), cost("darts", seconds))))
    assert any("Matched in multiply-accumulates, but not in time" in text for text in warned(verdict)) is warns


def test_budgets_that_are_not_matched_are_warned_of() -> None:
    base = made(row(0.01))
    base.budget["strategies"]["darts"]["relative"] = 3.0
    told = [text for text in warned(decide(base)) if "budgets were not matched" in text]
    assert told == [
        "The budgets were not matched: darts had 3.0 times the training multiply-accumulates of random, "
        "which favours darts."
    ]


@pytest.mark.parametrize(("free", "collapsed"), [(0.5, False), (0.74, False), (0.75, True), (1.0, True)])
def test_collapse_is_warned_of_by_the_last_epoch(free: float, collapsed: bool) -> None:
    history = (Step(1, parameter_free=1.0, entropy=1.6), Step(2, parameter_free=free, entropy=0.8))
    searches = (Search("random", "random", 0), Search("darts", "darts", 0, history))
    told = " ".join(warned(decide(made(row(0.01), searches=searches))))
    assert ("Collapsed" in told) is collapsed
    assert "hardly decided" not in told


def test_alphas_that_hardly_decided_are_warned_of() -> None:
    searches = (Search("random", "random", 0), Search("darts", "darts", 0, (Step(1, entropy=1.6),)))
    assert "hardly decided" in " ".join(warned(decide(made(row(0.01), searches=searches))))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (Agreement("darts", "supernet", 8, 0.5, 0.1, 0.8), "ranks architectures as separate training does"),
        (Agreement("darts", "supernet", 8, 0.5, -0.1, 0.8), "cannot be said to rank"),
        (Agreement("darts", "supernet", 8, -0.5, -0.8, -0.1), "the wrong way round"),
        (Agreement("darts", "supernet", 2, note="2 architectures are too few"), "2 architectures are too few"),
        (Agreement("all", "supernet", 8, 0.2, -0.1, 0.8), "of all strategies together cannot be said"),
    ],
)
def test_ranking_needs_an_interval_above_zero(line: Agreement, expected: str) -> None:
    assert expected in said(decide(made(row(0.01), agreement=(line,))))


def test_without_any_figure_there_is_a_verdict_still() -> None:
    base = made(row(None, pairs=0, note="no pair of sound trainings"))
    entries = tuple(replace(entry, test_mean=None, valid_mean=None) for entry in base.entries)
    trainings = tuple(Training("darts-0", "searched", seed, "diverged") for seed in range(3))
    verdict = decide(replace(base, entries=entries, trainings=trainings, costs=()))
    assert verdict.headline == "No verdict: no searched network could be compared with random search."
    assert "3 of 3 final trainings gave no figure: 3 of darts-0 (diverged)." in said(verdict)
    assert "What darts cost was not measured." in said(verdict)


def test_random_search_alone_has_no_verdict() -> None:
    config = Config.model_validate({"search": {"strategies": {"random": {"evaluations": 4}}}})
    assert decide(made(config=config)).headline == "Only random search was run, so there is no search to judge."


def test_two_winning_strategies_are_both_named() -> None:
    config = Config()
    base = made(row(0.01), row(0.02, entry="evolution-0", strategy="evolution"), config=config)
    base.budget["strategies"]["evolution"] = base.budget["strategies"]["darts"]
    assert decide(base).headline == "evolution and darts beat random search."


def test_best_trade_offs_are_those_that_none_dominates() -> None:
    small = Entry("small", "random", macs=100, test_mean=0.90)
    same_size = Entry("worse", "random", macs=100, test_mean=0.89)
    middle = Entry("middle", "searched", macs=200, test_mean=0.90)  # no better than small
    large = Entry("large", "baseline", macs=300, test_mean=0.95)
    unknown = Entry("lost", "searched", macs=50)
    assert pareto([large, middle, same_size, unknown, small]) == [small, large]


def test_every_rule_is_printed_with_the_verdict() -> None:
    rules = " ".join(decide(made(row(0.01))).rules)
    for word in ("Holm", "excludes 0", "validation", "collapsed", "Kendall", "trade-off", "factor of 1.5"):
        assert word in rules
