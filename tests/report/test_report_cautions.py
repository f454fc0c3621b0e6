"""Which cautions stand beside a verdict, and in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up import MadeUp, loaded
from outcomes import (
    DARTS,
    baseline,
    compared,
    darts,
    folded,
    made,
    many,
    one_search,
    opponent,
    plain,
    row,
    warned,
)

from nas_steps.config.schema import Config
from nas_steps.report import cautions
from nas_steps.report.forest import forest
from nas_steps.report.records import (
    Entry,
    HistoryRow,
    SearchCost,
    Training,
)
from nas_steps.report.signals import collapsed_from
from nas_steps.report.verdict import decide


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
