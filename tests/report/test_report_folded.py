"""What is folded beneath a verdict: costs, gaps, fronts, energy, the rules themselves."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from outcomes import (
    darts,
    folded,
    made,
    row,
)

from nas_steps.report.records import (
    Agreement,
    Entry,
    HistoryRow,
    JobCost,
)
from nas_steps.report.signals import energy, pareto
from nas_steps.report.verdict import decide


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
