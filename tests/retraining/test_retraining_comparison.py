"""Paired differences: tests, intervals, effects and power; strategies as a whole."""

from __future__ import annotations

import math
from itertools import combinations, product
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from scipy import stats

from nas_steps.intervals import holm, mean_interval
from nas_steps.retraining import comparison as module
from nas_steps.retraining.comparison import (
    best_weights,
    caution,
    detectable,
    hedges,
    paired,
    power,
    seeds_needed,
    sign_flips,
    studentised_interval,
)
from nas_steps.retraining.contests import CONTESTS, best_baseline, contests
from nas_steps.retraining.summary import by_entry
from nas_steps.training.record import Entry, record

EXACT = {"abs": 1e-12, "rel": 0}


def metrics(entry: str, kind: str, seed: int, test: float, valid: float | None = 0.5) -> dict[str, Any]:
    known = {"status": "ok", "test_accuracy": test, "valid_accuracy": valid, "train_seconds": 2.0, "macs": 7}
    return record(Entry(entry, kind, entry), seed) | known


def failed(entry: str, kind: str, seed: int) -> dict[str, Any]:
    return metrics(entry, kind, seed, math.nan, None) | {"status": "diverged"}


@pytest.mark.parametrize(
    ("differences", "note"),
    [
        ([], "no pair of sound trainings"),
        ([0.1, 0.2], "2 of the 3 seeds that a claim needs"),
        ([0.1, 0.1, 0.1], "same for every seed"),
    ],
)
def test_no_claim_without_a_spread(differences: list[float], note: str) -> None:
    found = paired(differences)
    assert note in found["note"]
    assert all(math.isnan(found[key]) for key in ("low", "high", "p_value", "p_flips", "effect", "seeds_needed"))


@pytest.mark.parametrize("n", [3, 5, 9, 30])
def test_a_paired_difference_is_scipys(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.4, 1.0, n).tolist()
    found = paired(differences)
    expected = stats.ttest_1samp(differences, 0)
    interval = expected.confidence_interval(0.95)
    assert found["difference"] == pytest.approx(np.mean(differences), **EXACT)
    assert (found["low"], found["high"], found["p_value"]) == pytest.approx(
        (interval.low, interval.high, expected.pvalue), **EXACT
    )
    assert found["spread"] == pytest.approx(np.std(differences, ddof=1), **EXACT)
    assert found["detectable"] == pytest.approx(detectable(n) * found["spread"])
    assert found["seeds_needed"] == seeds_needed(found["difference"] / found["spread"])
    assert found["least_p_flips"] == 2 / 2**n
    assert tuple(found) == module.PAIRED


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [1, 3, 6, 10])
def test_sign_flips_go_through_all_patterns(seed: int, n: int) -> None:
    # few different values, so that many patterns are as far from 0 as the measured one
    values = np.random.default_rng(seed).integers(-2, 4, n) / 10
    bar = abs(sum(values.tolist()))
    hits = [
        abs(sum(sign * value for sign, value in zip(signs, values.tolist(), strict=True))) >= bar - 1e-9
        for signs in product((-1, 1), repeat=n)
    ]
    assert sign_flips(values.tolist()) == pytest.approx(np.mean(hits), **EXACT)


def test_sign_flips_are_scipys_permutation_test() -> None:
    values = np.random.default_rng(0).normal(0.5, 1, 11)
    expected = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf, axis=0)
    assert sign_flips(values.tolist()) == pytest.approx(expected.pvalue, **EXACT)


def test_many_pairs_are_flipped_at_random(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(0.6, 1, 12).tolist()
    exact = sign_flips(values)
    monkeypatch.setattr(module, "EXACT_PAIRS", 5)
    error = math.sqrt(exact * (1 - exact) / module.FLIPS)
    assert sign_flips(values) == pytest.approx(exact, abs=4 * error)
    assert sign_flips([1.0 + 0.01 * place for place in range(60)]) == 1 / (1 + module.FLIPS)


def test_the_studentised_interval_is_the_written_out_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESAMPLES", 300)
    values = np.random.default_rng(0).normal(0.3, 1, 8)
    generator = np.random.default_rng(module.derive_seed(0, "bootstrap of differences", 8))
    ratios = []
    for chosen in generator.integers(0, 8, (300, 8)):
        sample = values[chosen]
        ratios.append((sample.mean() - values.mean()) / (sample.std(ddof=1) / math.sqrt(8)))
    error = stats.sem(values)
    low, high = values.mean() - np.quantile(ratios, [0.975, 0.025]) * error
    assert studentised_interval(values.tolist()) == pytest.approx((low, high), **EXACT)
    assert all(math.isnan(bound) for bound in studentised_interval([0.1, 0.2, 0.3, 0.5]))


def test_nominal_95_percent_cover(monkeypatch: pytest.MonkeyPatch) -> None:
    """For 8 normal differences; a standard error of 1 % in 500 repeats. The large one is in benchmarks/."""
    monkeypatch.setattr(module, "RESAMPLES", 500)
    draws = np.random.default_rng(0).normal(1, 2, (500, 8))
    by_t = [mean_interval(draw) for draw in draws.tolist()]
    by_bootstrap = [studentised_interval(draw) for draw in draws.tolist()]
    assert 0.92 <= np.mean([found["low"] <= 1 <= found["high"] for found in by_t]) <= 0.98
    assert 0.92 <= np.mean([low <= 1 <= high for low, high in by_bootstrap]) <= 0.98


def test_hedges_has_no_bias() -> None:
    draws = np.random.default_rng(0).normal(0.8, 1, (20000, 5))
    found = [hedges(draw) for draw in draws.tolist()]
    assert np.mean(found) == pytest.approx(0.8, abs=4 * np.std(found) / math.sqrt(len(found)))
    # the exact factor for 4 degrees of freedom: gamma(2) / (sqrt(2) gamma(1.5))
    values = [0.1, 0.4, 0.2, 0.5, 0.3]
    factor = 1 / (math.sqrt(2) * math.gamma(1.5))
    assert hedges(values) == pytest.approx(factor * np.mean(values) / np.std(values, ddof=1), **EXACT)


@pytest.mark.parametrize("pairs", [3, 5, 20])
@pytest.mark.parametrize("effect", [0.0, 0.5, -1.2])
def test_power_is_that_of_the_noncentral_t(pairs: int, effect: float) -> None:
    bar = stats.t.ppf(0.975, pairs - 1)
    shift = effect * math.sqrt(pairs)
    expected = stats.nct.sf(bar, pairs - 1, shift) + stats.nct.cdf(-bar, pairs - 1, shift)
    assert power(pairs, effect) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("effect", "pairs"), [(0.2, 199), (0.5, 34), (0.8, 15), (-0.8, 15)])
def test_seeds_needed_are_those_of_published_tables(effect: float, pairs: int) -> None:
    """The paired t test at 5 %, two-sided, 80 % power (the figures that G*Power gives)."""
    assert seeds_needed(effect) == pairs
    assert power(pairs, effect) >= 0.8 > power(pairs - 1, effect)


def test_seeds_needed_of_the_extremes() -> None:
    assert seeds_needed(0.0) == seeds_needed(1e-6) == math.inf
    assert seeds_needed(1000.0) == 2
    assert power(12, detectable(12)) == pytest.approx(0.8, abs=1e-6)
    assert power(3, detectable(3)) == pytest.approx(0.8, abs=1e-6)


def test_what_few_seeds_cannot_show() -> None:
    assert "too few seeds for a claim: 2 of 3" in caution(2)
    assert "below 0.062; 6 seeds could" in caution(5)
    assert caution(6) == ""
    told = caution(6, hypotheses=4)
    assert "among 4 comparisons" in told
    assert "below 0.12; 8 seeds could" in told
    assert caution(8, hypotheses=4) == ""
    # the number told is enough, and one less is not
    for hypotheses in range(1, 40):
        needed = next(pairs for pairs in range(3, 30) if not caution(pairs, hypotheses))
        assert f"; {needed} seeds could" in caution(needed - 1, hypotheses)


@pytest.mark.parametrize("values", [[0.01, 0.04, 0.03], [0.5, 0.02, 0.02, 0.9, 0.001], [0.6, 0.7], [0.2]])
def test_holm_is_the_brute_force_one(values: list[float]) -> None:
    def brute(index: int) -> float:
        """The largest level scaled by how many hypotheses are not smaller, over all that come before."""
        order = sorted(range(len(values)), key=lambda other: (values[other], other))
        place = order.index(index)
        return max(min(1.0, (len(values) - rank) * values[order[rank]]) for rank in range(place + 1))

    assert holm(values) == pytest.approx([brute(index) for index in range(len(values))])
    with_gap = holm([*values, math.nan])
    assert with_gap[:-1] == holm(values)
    assert math.isnan(with_gap[-1])


@pytest.mark.parametrize("chosen", [1, 2, 3, 5])
def test_weights_of_the_best_are_how_often_each_wins(chosen: int) -> None:
    merits = [0.5, 0.9, 0.1, 0.9, 0.3]
    wins = [0.0] * 5
    draws = list(combinations(range(5), chosen))
    for some in draws:
        wins[max(some, key=lambda index: (merits[index], -index))] += 1 / len(draws)
    assert best_weights(merits, chosen) == pytest.approx(wins, **EXACT)
    with pytest.raises(ValueError, match="6 of 5"):
        best_weights(merits, 6)


# ------------------------------------------------------------------------------------------- strategies


def world(generator: np.random.Generator, searches: dict[str, tuple[str, int]], seeds: int = 5) -> list[dict[str, Any]]:
    found = []
    for strategy, (kind, count) in searches.items():
        for search in range(count):
            valid = generator.random()
            name = strategy if kind == "baseline" else f"{strategy}-{search}"
            found += [metrics(name, kind, seed, generator.random(), valid) for seed in range(seeds)]
    return found


def test_strategies_meet_random_search_and_the_best_baseline_by_mean_and_by_best() -> None:
    searches = {"darts": ("searched", 4), "random": ("random", 2), "a": ("baseline", 1), "b": ("baseline", 1)}
    trainings = world(np.random.default_rng(0), searches)
    entries = by_entry(trainings)
    found = contests(trainings)
    best = max(("a", "b"), key=lambda name: entries[name][0]["valid_accuracy"])
    assert [(row["against"], row["role"], row["of"], row["k"], row["searches"]) for row in found] == [
        ("random", "random", "mean", 2, "4 against 2"),
        ("random", "random", "best", 2, "4 against 2"),
        (best, "baseline", "mean", 1, "4 against 1"),
        (best, "baseline", "best", 1, "4 against 1"),
    ]
    assert all(set(row) == set(CONTESTS) for row in found)

    def mean(names: list[str], seed: int) -> float:
        return fmean(entries[name][seed]["test_accuracy"] for name in names)

    darts, random = [f"darts-{search}" for search in range(4)], ["random-0", "random-1"]
    by_mean = [mean(darts, seed) - mean(random, seed) for seed in range(5)]
    assert found[0]["difference"] == pytest.approx(fmean(by_mean), **EXACT)
    assert found[0]["p_value"] == pytest.approx(stats.ttest_1samp(by_mean, 0).pvalue, **EXACT)

    def chosen(names: tuple[str, ...]) -> str:
        return max(names, key=lambda name: entries[name][0]["valid_accuracy"])

    pairs_of_searches = [chosen(some) for some in combinations(darts, 2)]
    by_best = [mean(pairs_of_searches, seed) - mean([chosen(("random-0", "random-1"))], seed) for seed in range(5)]
    assert found[1]["difference"] == pytest.approx(fmean(by_best), **EXACT)
    # the best of one is the mean of one
    assert found[2]["difference"] == pytest.approx(found[3]["difference"], **EXACT)
    for row in found:  # one strategy: nothing to adjust for
        assert (row["p_holm"], row["p_flips_holm"]) == (row["p_value"], row["p_flips"])


def test_the_strategies_share_the_adjustment_for_each_opponent() -> None:
    searches = {"a": ("searched", 1), "b": ("searched", 1), "random": ("random", 1), "uniform": ("uniform", 1)}
    found = contests(world(np.random.default_rng(0), searches))
    assert [(row["strategy"], row["role"]) for row in found if row["of"] == "mean"] == [
        ("a", "random"),
        ("a", "uniform"),
        ("b", "random"),
        ("b", "uniform"),
    ]
    for role in ("random", "uniform"):
        rows = [row for row in found if (row["of"], row["role"]) == ("mean", role)]
        assert [row["p_holm"] for row in rows] == pytest.approx(holm([row["p_value"] for row in rows]))
        assert [row["p_flips_holm"] for row in rows] == pytest.approx(holm([row["p_flips"] for row in rows]))


def test_other_searches_are_told_of_by_welch() -> None:
    trainings = world(np.random.default_rng(1), {"darts": ("searched", 4), "random": ("random", 3)})
    mean, best = contests(trainings)
    entries = by_entry(trainings)
    ours, theirs = (
        [fmean(row["test_accuracy"] for row in mine) for name, mine in entries.items() if name.startswith(strategy)]
        for strategy in ("darts", "random")
    )
    expected = stats.ttest_ind(ours, theirs, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert (mean["searches_low"], mean["searches_high"], mean["searches_p"]) == pytest.approx(
        (interval.low, interval.high, expected.pvalue), **EXACT
    )
    assert math.isnan(best["searches_p"])


def test_failed_trainings_leave_their_seed_or_their_winner_out() -> None:
    trainings = world(np.random.default_rng(0), {"darts": ("searched", 2), "random": ("random", 1)})
    trainings = [row for row in trainings if (row["entry"], row["seed"]) != ("darts-1", 3)]
    trainings += [failed("darts-1", "searched", 3), failed("darts-2", "searched", 0)]
    mean, _ = contests(trainings)
    assert (mean["pairs"], mean["searches"]) == (4, "2 against 1")


def test_what_cannot_be_compared_says_why() -> None:
    trainings = [metrics("darts-0", "searched", seed, 0.1 * seed, None) for seed in range(3)]
    trainings += [metrics("darts-1", "searched", seed, 0.2 * seed, None) for seed in range(3)]
    trainings += [failed("random-0", "random", 0)]
    trainings += [metrics("resnet20", "baseline", seed, 0.3 * seed**2, None) for seed in range(3)]
    found = contests(trainings)
    assert [row["note"] for row in found] == [
        "no pair of sound trainings",
        "no pair of sound trainings",
        "the baseline was chosen by test accuracy",
        "not every winner has a validation accuracy to choose the best by; the baseline was chosen by test accuracy",
    ]
    assert [row["pairs"] for row in found] == [0, 0, 3, 0]
    assert contests([]) == []
    assert best_baseline({})[0] == ""
