"""The verdict follows its printed rules, on outcomes made up by hand."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest

from nas_steps.config.schema import Config
from nas_steps.config.space import filled
from nas_steps.report.evidence import combined, outcome
from nas_steps.report.records import Agreement, Contest, Entry, HistoryRow, JobCost, Search, Training, Winner, record
from nas_steps.report.results import Results
from nas_steps.report.signals import collapsed_from, pareto
from nas_steps.report.verdict import Verdict, baseline_to_meet, decide
from nas_steps.retraining.contests import contests
from nas_steps.retraining.summary import summarise
from nas_steps.spaces.declare import declared


def row(difference: float | None, half: float | None = 0.004, p: float | None = 0.01, **more: Any) -> Contest:
    """darts against random with an interval of +- `half`."""
    bounded = difference is not None and half is not None
    low = difference - half if bounded else None  # type: ignore[operator]
    high = difference + half if bounded else None  # type: ignore[operator]
    usual = {"strategy": "darts", "against": "random", "role": "random", "pairs": 5}
    return Contest(**{**usual, "difference": difference, "low": low, "high": high, "p_holm": p, **more})  # type: ignore[arg-type]


def made(*rows: Contest, **more: Any) -> Results:
    """Results with one DARTS search, one of random search, one baseline."""
    config = Config.model_validate({"search": {"strategies": {"random": {}, "darts": {}}}})
    usual: dict[str, Any] = {
        "config": config,
        "space": declared(filled(config.space)),
        "meta": {},
        "budget": {
            "strategies": {
                "random": {"kind": "random", "evaluations": 20, "training_macs": 1e8, "relative": 1.0},
                "darts": {"kind": "darts", "evaluations": None, "training_macs": 1.02e8, "relative": 1.02},
            }
        },
        "searches": (Search("random", "random", 0), darts()),
        "entries": (
            Entry("random-0", "random", "random", macs=900, test_mean=0.95, valid_mean=0.95),
            Entry("darts-0", "searched", "darts", macs=1000, test_mean=0.96, valid_mean=0.96),
            Entry("resnet20", "baseline", macs=4000, test_mean=0.97, valid_mean=0.97),
        ),
        "trainings": (Training("darts-0", "searched", 0, "ok", train_seconds=20.0),),
        "contests": rows,
        "costs": (cost("random", 100.0), cost("darts", 110.0)),
    }
    return Results(**{**usual, **more})


def darts(*history: HistoryRow) -> Search:
    return Search("darts", "darts", 0, history, trains_supernet=True, has_alphas=True)


def cost(strategy: str, seconds: float) -> JobCost:
    return JobCost("search", "cpu", seconds, seconds, 100.0, 0.0, search=f"{strategy}-0")


def against(name: str, difference: float, **more: Any) -> Contest:
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
    assert (
        "The measured difference is 30.0 points over 2 seeds; 3 are needed, and 6 for one that assumes no distribution."
        in said(verdict)
    )
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
def test_a_claim_needs_both_the_interval_and_the_adjusted_p(comparison: Contest, expected: str) -> None:
    assert outcome(comparison) == expected


def test_an_interval_that_excludes_zero_without_a_claim_is_explained() -> None:
    assert "the interval alone, which excludes 0, is not enough" in said(decide(made(row(0.01, 0.004, 0.06))))


def test_several_ways_of_random_search_are_beaten_only_if_all_are() -> None:
    win, tie, loss, missing = row(0.01), row(0.001, 0.005, 0.5), row(-0.01), row(None, pairs=0)
    assert combined([win, win]) == "beat"
    assert combined([loss, loss]) == "lost"
    assert combined([win, tie]) == combined([win, loss]) == combined([win, missing]) == "mixed"
    assert combined([tie, missing]) == "tie"
    assert combined([]) == "missing"
    verdict = decide(made(win, replace(tie, against="random_long")))
    assert verdict.headline == "The search did not beat random search."
    assert "its comparisons disagree. Of 2 comparisons: 1 won and 1 not told apart" in said(verdict)


def test_the_best_of_several_searches_is_labelled_and_stands_beside_the_mean() -> None:
    base = made(row(0.01), row(0.01, of="best"))
    more = Entry("darts-1", "searched", "darts", macs=1000, test_mean=0.98)
    text = said(decide(replace(base, entries=(*base.entries, more))))
    assert "winners of darts: 97.0 % in the mean of 2, 98.0 % for the best of 2" in text
    assert "random search: 95.0 % in the mean of 1" in text


def test_the_best_baseline_is_chosen_by_validation_and_not_by_test() -> None:
    lucky = Entry("lucky", "baseline", test_mean=0.99, valid_mean=0.90)
    steady = Entry("steady", "baseline", test_mean=0.96, valid_mean=0.95)
    chosen, how = baseline_to_meet(made(entries=(lucky, steady)))
    assert (chosen, how) == (steady, "best of 2 baselines by validation accuracy")
    unjudged = tuple(replace(one, valid_mean=None) for one in (lucky, steady))
    chosen, how = baseline_to_meet(made(entries=unjudged))
    assert chosen == unjudged[0]
    assert how.startswith("best of 2 baselines by test accuracy")


def test_a_diverged_baseline_is_not_the_best_one() -> None:
    lost = Entry("lost", "baseline", test_mean=None, valid_mean=None)
    assert baseline_to_meet(made(entries=(lost,)))[0] is None
    base = made(row(0.01))
    entries = (*base.entries[:2], lost)
    assert "no hand-designed baseline to be compared with" in said(decide(replace(base, entries=entries)))


def test_cost_is_told_in_final_trainings() -> None:
    text = said(decide(made(row(0.01))))
    assert "took 1 min 50 s of job time, 5.5 times one final training (20.0 s)" in text
    assert "random took 1 min 40 s, budgets in training multiply-accumulates 1.02 to 1." in text


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
    history = (HistoryRow(1, parameter_free=1.0, entropy=1.6), HistoryRow(2, parameter_free=free, entropy=0.8))
    searches = (Search("random", "random", 0), darts(*history))
    told = " ".join(warned(decide(made(row(0.01), searches=searches))))
    assert ("Collapsed" in told) is collapsed
    assert "hardly decided" not in told


def test_alphas_that_hardly_decided_are_warned_of() -> None:
    searches = (Search("random", "random", 0), darts(HistoryRow(1, entropy=1.6)))
    assert "hardly decided" in " ".join(warned(decide(made(row(0.01), searches=searches))))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (Agreement("darts", "supernet", 8, 0.5, low=0.1, high=0.8), "ranks architectures as separate training does"),
        (Agreement("darts", "supernet", 8, 0.5, low=-0.1, high=0.8), "cannot be said to rank"),
        (Agreement("darts", "supernet", 8, -0.5, low=-0.8, high=-0.1), "the wrong way round"),
        (Agreement("darts", "supernet", 2, note="2 architectures are too few"), "2 architectures are too few"),
        (Agreement("all", "supernet", 8, 0.2, low=-0.1, high=0.8), "of all strategies together cannot be said"),
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
    base = made(row(0.01), row(0.02, strategy="evolution"), config=config)
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


# ---------------------------------------------------------------------- from trainings to sentences, all the way


def trained(accuracies: dict[str, list[float | None]], **more: Any) -> Results:
    """Results of final trainings with these test accuracies by entry and seed; None for a diverged one. Kinds are told
    by the names."""
    kinds = {"darts": "searched", "evolution": "searched", "random": "random", "uniform": "uniform"}
    records: list[dict[str, Any]] = [
        {
            "entry": name,
            "kind": "largest" if name == "largest" else kinds.get(name.rpartition("-")[0], "baseline"),
            "seed": seed,
            "status": "diverged" if value is None else "ok",
            "architecture": name,
            "parameters": 1000,
            "macs": 1000,
            "valid_accuracy": value,
            "test_accuracy": math.nan if value is None else value,
            "test_loss": 0.1,
            "test_images": 100,
            "train_seconds": 20.0,
        }
        for name, values in accuracies.items()
        for seed, value in enumerate(values)
    ]
    known = [{key: "" if one[key] is None else str(one[key]) for key in one} for one in records]
    told = {
        "trainings": tuple(record(Training, one) for one in known),
        "entries": tuple(record(Entry, spelled(one)) for one in summarise(records)),
        "contests": tuple(record(Contest, spelled(one)) for one in contests(records)),
    }
    return made(**{**told, **more})


def spelled(row: dict[str, Any]) -> dict[str, str]:
    """A row as a CSV file has it: what is no number is empty."""
    return {
        key: "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)
        for key, value in row.items()
    }


#: the noise of a training: around 0, with a standard deviation of half a point
NOISE = [0.004, -0.003, 0.006, -0.007, 0.002, -0.002, 0.005, -0.005]


def around(mean: float, seeds: int, turn: int = 0) -> list[float | None]:
    return [mean + NOISE[(seed + turn) % len(NOISE)] for seed in range(seeds)]


def usual(seeds: int = 8, darts: float = 0.95, **more: list[float | None]) -> dict[str, list[float | None]]:
    """DARTS at `darts`, random search at 93 %, a uniform draw at 90 %, a baseline at 92 %."""
    found = {
        "darts-0": around(darts, seeds),
        "random-0": around(0.93, seeds, 1),
        "uniform-0": around(0.90, seeds, 2),
        "resnet20": around(0.92, seeds, 3),
    }
    return {name: values for name, values in {**found, **more}.items() if values}


def no_nan(verdict: Verdict) -> str:
    text = f"{verdict.headline} {said(verdict)}"
    assert not {"nan", "inf", "None"} & set(re.findall(r"[A-Za-z]+", text))
    return text


def test_a_clear_win_rests_on_effect_permutation_and_bootstrap() -> None:
    verdict = decide(trained(usual()))
    assert verdict.headline.startswith("darts beat random search by 2.0 points [")
    text = no_nan(verdict)
    assert "darts beat no search, a uniform draw: 5.0 points [" in text
    assert "darts beat resnet20, the best of 1 baseline by validation accuracy" in text
    assert re.search(
        r"Behind it: \d+\.\d+ standard deviations of the paired differences, which are 0\.\d+ points", text
    )
    assert "sign-flip p 0.008; bootstrap interval [" in text
    # eight seeds are enough for a claim that assumes no distribution
    assert "rests on normally distributed differences" not in text
    assert "darts searched once: how another search by it would end is not known." in text


def test_a_win_of_three_seeds_says_that_no_permutation_test_could_confirm_it() -> None:
    verdict = decide(trained(usual(3, darts=0.98)))
    assert verdict.headline.startswith("darts beat random search by 5.")
    told = [text for text in warned(verdict) if "rests on normally distributed differences" in text]
    assert told
    assert "But a claim from 3 seeds rests on normally distributed differences" in told[0]
    assert "6 seeds could" in told[0]


def test_a_tie_says_what_could_have_been_seen() -> None:
    verdict = decide(trained(usual(darts=0.931)))
    assert verdict.headline == "The search did not beat random search."
    text = no_nan(verdict)
    assert re.search(r"With this spread 8 seeds find a true difference of \d+\.\d points with 80 % power", text)
    assert re.search(r"one of the measured 0\.1 points takes \d+ seeds", text)
    assert (
        "What darts gained over random search of its budget in 1 min 50 s of device time cannot be told from 0" in text
    )


def test_a_loss_is_told_with_what_it_cost() -> None:
    verdict = decide(trained(usual(darts=0.91)))
    assert verdict.headline == "The search lost to random search."
    text = no_nan(verdict)
    assert "In 1 min 50 s of device time darts lost 2.0 points over random search of its budget" in text
    assert "darts gained 1.0 points over a uniform draw: 32.7 points a device-hour" in text


@pytest.mark.parametrize("seeds", [1, 2])
def test_one_or_two_seeds_are_no_claim(seeds: int) -> None:
    verdict = decide(trained(usual(seeds)))
    assert verdict.headline == "Too few seeds for a claim."
    text = no_nan(verdict)
    assert f"over {seeds} seed" in text
    assert "3 are needed, and 6 for one that assumes no distribution" in text


def test_no_uniform_entry_is_told() -> None:
    told = warned(decide(trained(usual(**{"uniform-0": []}))))
    assert any("no uniformly drawn architecture was trained (retrain.uniform)" in text for text in told)


def test_random_search_that_diverged_leaves_no_comparison() -> None:
    verdict = decide(trained(usual(**{"random-0": [None] * 8})))
    assert verdict.headline == "No verdict: no searched network could be compared with random search."
    text = no_nan(verdict)
    assert "darts against random search: no claim, no pair of sound trainings." in text
    assert "8 of 32 final trainings gave no figure: 8 of random-0 (diverged)." in text


def test_a_difference_that_is_the_same_for_every_seed_is_no_claim() -> None:
    verdict = decide(trained(usual(**{"random-0": around(0.93, 8), "darts-0": around(0.95, 8)})))
    assert "the difference is the same for every seed: its spread cannot be estimated" in no_nan(verdict)
    assert verdict.tone == "warning"


def test_the_largest_network_is_met_where_it_was_trained() -> None:
    text = no_nan(decide(trained(usual(largest=around(0.97, 8, 5)))))
    assert "darts lost to the space's largest network: −2.0 points" in text
    assert "largest network" not in said(decide(trained(usual())))


def test_several_searches_are_told_by_mean_and_by_best_and_over_searches() -> None:
    more = {f"darts-{search}": around(0.95 + 0.002 * search, 8, search) for search in range(3)}
    more |= {f"random-{search}": around(0.93 + 0.001 * search, 8, search + 3) for search in range(3)}
    results = trained(usual(**more))
    config = Config.model_validate({"search": {"seeds": 3, "strategies": {"random": {}, "darts": {}}}})
    text = no_nan(decide(replace(results, config=config)))
    assert re.search(r"mean of all winners: \+2\.\d points \[.*\]; best of 3 on each side, chosen by validation", text)
    assert re.search(
        r"Over searches \(3 against 3\): \[.*\] points, p .*: another search by darts may be expected", text
    )
    assert "another search by darts may do otherwise" not in text


def test_two_strategies_share_holms_adjustment() -> None:
    results = trained(usual(**{"evolution-0": around(0.95, 8, 4)}))
    base = replace(results, config=Config())
    base.budget["strategies"]["evolution"] = base.budget["strategies"]["darts"]
    verdict = decide(base)
    assert verdict.headline == "evolution and darts beat random search."
    assert "sign-flip p 0.008 (Holm-adjusted 0.016)" in no_nan(verdict)


# ------------------------------------------------------------------------------------------------- budgets


def sized(budget: Any, **macs: int) -> str:
    base = trained(usual())
    raw = {"search": {"strategies": {"random": {}, "darts": {}}}, "retrain": {"budget": budget}}
    names = {name.replace("_", "-"): size for name, size in macs.items()}
    entries = tuple(replace(one, macs=names.get(one.entry, 900)) for one in base.entries)
    winners = (Winner("random-0", "random", "random", 0, "x", 0.9), Winner("darts-0", "searched", "darts", 0, "y", 0.8))
    return said(decide(replace(base, config=Config.model_validate(raw), entries=entries, winners=winners)))


def test_entries_above_the_budget_of_the_baselines_are_named() -> None:
    text = sized({"macs": 1000}, darts_0=1500, random_0=1000)
    assert "Sizes were not matched: above the budget of the baselines (in numbers) are darts-0 (1.50 times the" in text
    assert "random-0 (1.00 times" not in text
    text = sized({"macs": 1000}, resnet20=4000)
    assert "above the budget of the baselines (in numbers) are resnet20 (4.0 times the multiply-accumulates)" in text
    assert "Sizes were not matched" not in sized({"macs": 1000})


def test_the_winners_size_is_a_budget() -> None:
    text = sized("winner", darts_0=1000, random_0=1000, resnet20=1300)
    assert "above the budget of the baselines (the size of darts-0) are resnet20 (1.30 times" in text
    assert "random-0 (1.00 times" not in text


# --------------------------------------------------------------------------- the gap and the collapse monitor


def searched(*history: HistoryRow) -> Results:
    return trained(usual(), searches=(Search("random", "random", 0), darts(*history)))


def test_the_gap_is_told_in_four_steps() -> None:
    history = (
        HistoryRow(1, "a", 0.5, discrete_accuracy=0.3, inherited_accuracy=0.2, chosen=0),
        HistoryRow(2, "darts-0", 0.8, discrete_accuracy=0.65, inherited_accuracy=0.3, chosen=1),
        HistoryRow(3, "b", 0.9, discrete_accuracy=0.9, inherited_accuracy=0.9, chosen=0),
    )
    verdict = decide(searched(*history))
    told = [text for text in warned(verdict) if "discretisation gap" in text]
    assert [text.replace("\N{NO-BREAK SPACE}", " ") for text in told] == [
        "Validation accuracy of darts-0: 80.0 % with all operations mixed, 30.0 % with the strongest alone, as "
        "inherited, 65.0 % with statistics re-estimated, 95.0 % after training from scratch. Choosing the strongest "
        "operations lost 15.0 points: a discretisation gap."
    ]
    narrow = decide(searched(HistoryRow(1, "other", 0.8, discrete_accuracy=0.75)))
    assert "95.0 % after training the winner, another one, from scratch." in said(narrow)
    assert "a discretisation gap" not in said(narrow)


def test_a_collapse_is_dated() -> None:
    shares = (0.9, 0.5, 0.75, 0.8, 1.0)
    history = tuple(HistoryRow(epoch, parameter_free=share) for epoch, share in enumerate(shares, start=1))
    assert collapsed_from(darts(*history)) == 3
    assert "darts-0 (100 %, from epoch 3 on)" in said(decide(searched(*history)))
    ended = (*history[:4], replace(history[4], parameter_free=0.5))
    assert collapsed_from(darts(*ended)) is None
