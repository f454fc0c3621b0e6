"""Differences with their errors of searches, trainings and test images; strategies against their opponents."""

from __future__ import annotations

import math
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from scipy import stats

from nas_steps.intervals import holm
from nas_steps.retraining.comparison import (
    Pool,
    Side,
    Term,
    accuracy,
    contrast,
    images_error,
    interval,
    network,
    outcome,
    pooled,
    replicated,
)
from nas_steps.retraining.contests import CONTESTS, SHARED, best_baselines, contests
from nas_steps.retraining.summary import NO_IMAGES, Metrics, by_entry
from nas_steps.training.record import Entry, record

EXACT: dict[str, float] = {"abs": 1e-12, "rel": 0}
Array = np.ndarray[Any, Any]


def metrics(
    entry: str, kind: str, seed: int, test: float, valid: float | None = 0.5, correct: Array | None = None
) -> dict[str, Any]:
    known = {"status": "ok", "test_accuracy": test, "valid_accuracy": valid, "train_seconds": 2.0, "macs": 7}
    return record(Entry(entry, kind, entry), seed) | known | {"correct": correct, "chance_level": 0.1}


def failed(entry: str, kind: str, seed: int, status: str = "diverged") -> dict[str, Any]:
    return metrics(entry, kind, seed, math.nan, None) | {"status": status}


def searches(strategy: str, kind: str, means: list[float], spread: float = 0.0) -> list[dict[str, Any]]:
    """Two trainings of each winner, `spread` apart from each other."""
    return [
        metrics(f"{strategy}-{place}", kind, seed, mean + (seed - 0.5) * spread)
        for place, mean in enumerate(means)
        for seed in range(2)
    ]


def only(rows: list[dict[str, Any]], role: str) -> dict[str, Any]:
    (row,) = (row for row in rows if row["role"] == role)
    return row


FOUR, OTHERS = [0.90, 0.92, 0.91, 0.95], [0.88, 0.91, 0.87, 0.90]


# -------------------------------------------------------------------------------------------------- statistics


@pytest.mark.parametrize(("first", "second"), [(FOUR, OTHERS), (FOUR, [0.5, 0.9]), ([0.1, 0.2, 0.7], FOUR)])
def test_two_groups_are_compared_by_welchs_test(first: list[float], second: list[float]) -> None:
    found = contrast(replicated(first, source="a"), replicated(second, source="b"))
    expected = stats.ttest_ind(first, second, equal_var=False)
    bounds = expected.confidence_interval(0.95)
    assert found == pytest.approx((fmean(first) - fmean(second), bounds.low, bounds.high, expected.pvalue), **EXACT)


def test_runs_on_leading_axes_are_the_single_ones() -> None:
    first, second = np.random.default_rng(0).normal(size=(2, 7, 5))
    many = contrast(replicated(first, source="a"), replicated(second, source="b"))
    for run in range(7):
        one = contrast(replicated(first[run], source="a"), replicated(second[run], source="b"))
        assert one == pytest.approx(tuple(figure[run] for figure in many), **EXACT)


def test_the_variance_of_trainings_is_pooled_over_networks() -> None:
    entries = [[0.90, 0.92], [0.80, 0.81, 0.85], [0.7]]
    pool = pooled([(one, None) for one in entries])
    assert pool is not None
    squares = sum(float(np.var(one)) * len(one) for one in entries)
    assert (pool.variance, pool.df) == (pytest.approx(squares / 3), 3)
    found = contrast(network(entries[0], pool), network(entries[1], pool))
    error = math.sqrt(pool.variance * (1 / 2 + 1 / 3))
    difference, bar = 0.91 - 0.82, float(stats.t.ppf(0.975, 3))
    assert (found.difference, found.low, found.high) == pytest.approx(
        (difference, difference - bar * error, difference + bar * error)
    )
    assert found.p_value == pytest.approx(2 * stats.t.sf(difference / error, 3))
    assert pooled([([0.5], None), ([0.7], None)]) is None


def test_two_networks_of_equal_variance_are_students_test() -> None:
    first, second = [0.9, 0.93, 0.91], [0.85, 0.9, 0.88]
    pool = pooled([(first, None), (second, None)])
    expected = stats.ttest_ind(first, second)
    found = contrast(network(first, pool), network(second, pool))
    assert found.p_value == pytest.approx(expected.pvalue, **EXACT)


def test_few_searches_against_one_network_have_cochran_and_coxs_critical_value() -> None:
    pool = Pool(0.0001, 20, 0.0)
    found = contrast(replicated(FOUR, source="a"), network([0.8, 0.82], pool))
    parts = np.var(FOUR, ddof=1) / 4, 0.0001 / 2
    bar = (parts[0] * stats.t.ppf(0.975, 3) + parts[1] * stats.t.ppf(0.975, 20)) / sum(parts)
    assert found.high - found.difference == pytest.approx(bar * math.sqrt(sum(parts)))
    # the p-value is the level at which the interval ends at 0
    ratio, half = found.difference / math.sqrt(sum(parts)), found.p_value / 2
    weighed = (parts[0] * stats.t.isf(half, 3) + parts[1] * stats.t.isf(half, 20)) / sum(parts)
    assert weighed == pytest.approx(ratio)


def test_the_cautious_test_keeps_its_level_where_satterthwaites_does_not() -> None:
    """4 searches that vary more than trainings, against one network of 10 trainings, at 1 %."""
    generator, runs = np.random.default_rng(0), 20_000
    units = math.sqrt(3.1) * generator.standard_normal((runs, 4))
    other = Side(math.sqrt(0.1) * generator.standard_normal((runs, 1)), generator.chisquare(30, runs) / 300, 30, "pool")
    cautious = contrast(replicated(units, source="a"), other).p_value
    terms = [Term(units.var(1, ddof=1) / 4, 3), Term(other.variance, 30)]
    plain = interval(units.mean(1) - other.units.mean(1), terms).p_value
    assert np.mean(cautious < 0.01) < 0.012
    assert np.mean(plain < 0.01) > 0.011
    assert np.mean(cautious < 0.01) < np.mean(plain < 0.01)


@pytest.mark.parametrize("entries", [6])
def test_a_difference_of_two_standard_deviations_is_found_at_three_seeds(entries: int) -> None:
    """Power at 5 %, two-sided, pooled over six entries; paired over 3 seeds it is 0.29."""
    generator, runs = np.random.default_rng(0), 4000
    accuracies = generator.standard_normal((entries, runs, 3))
    accuracies[0] += 2.0
    pool = pooled([(one, None) for one in accuracies])
    found = contrast(network(accuracies[0], pool), network(accuracies[1], pool)).p_value
    paired = stats.ttest_rel(accuracies[0], accuracies[1], axis=1).pvalue
    assert np.mean(found < 0.05) >= 0.55
    assert np.mean(paired < 0.05) < 0.4
    null = contrast(network(accuracies[1], pool), network(accuracies[2], pool)).p_value
    assert 0.038 < np.mean(null < 0.05) < 0.062


@pytest.mark.parametrize("value", [1.0, 0.95])
def test_equal_accuracies_are_a_tie_with_a_difference_of_0(value: float) -> None:
    found = contrast(replicated([value] * 4, source="a"), replicated([value] * 5, source="b"))
    assert found == (0.0, 0.0, 0.0, 1.0)
    assert outcome(found.difference, found.p_value) == "tie"


def test_two_groups_without_spread_have_the_permutation_tests_p() -> None:
    found = contrast(replicated([0.9] * 4, source="a"), replicated([0.8] * 4, source="b"))
    expected = stats.permutation_test(
        ([0.9] * 4, [0.8] * 4), lambda one, other: np.mean(one) - np.mean(other), n_resamples=np.inf
    )
    assert found.p_value == pytest.approx(expected.pvalue)
    assert math.isnan(found.low)


def test_the_images_error_is_that_of_resampled_images() -> None:
    generator = np.random.default_rng(0)
    first, second = (generator.random((1, 300)) < share for share in (0.9, 0.8))
    sides = [network(one.mean(1), None, one.astype(float)) for one in (first, second)]
    term = images_error(*sides)
    assert term is not None
    chosen = generator.integers(0, 300, (20_000, 300))
    resampled = first[0][chosen].mean(1) - second[0][chosen].mean(1)
    assert term.variance == pytest.approx(resampled.var(), rel=0.05)
    # one training each: images alone count
    found = contrast(*sides)
    assert found.high - found.low == pytest.approx(2 * 1.95996 * math.sqrt(term.variance), rel=1e-4)


def two_way(generator: np.random.Generator, units: int, skill: Array) -> Array:
    """Whether each unit is right on each image: `skill` is the share of units that are."""
    return (generator.random((units, len(skill))) < skill).astype(float)


def test_errors_of_trainings_and_images_are_not_counted_twice() -> None:
    """The mean estimated variance is that of the differences over new trainings and new images."""
    generator, differences, estimates = np.random.default_rng(0), [], []
    for _ in range(1500):
        easy = generator.choice([0.02, 0.6, 1.0], 200, p=[0.05, 0.2, 0.75])
        other = np.where(generator.random(200) < 0.1, 1 - easy, easy)
        correct = two_way(generator, 3, easy), two_way(generator, 3, other)
        pool = pooled([(one.mean(1).tolist(), one) for one in correct])
        assert pool is not None
        sides = [network(one.mean(1), pool, one) for one in correct]
        image = images_error(*sides)
        assert image is not None
        differences.append(sides[0].units.mean() - sides[1].units.mean())
        estimates.append(pool.variance * 2 / 3 + image.variance)
    assert np.mean(estimates) == pytest.approx(np.var(differences), rel=0.12)


def test_networks_that_never_disagree_still_have_an_error_of_images() -> None:
    ones = np.ones((2, 400))
    sides = [replicated(ones.mean(1), ones, source) for source in "ab"]
    found = contrast(*sides)
    assert found.difference == 0
    assert found.high == -found.low == pytest.approx(1.95996 / 402, rel=1e-4)
    assert found.p_value == 1


def test_an_accuracys_interval_holds_trainings_and_images() -> None:
    generator = np.random.default_rng(0)
    correct = two_way(generator, 1, np.full(989, 0.957))
    alone = accuracy(network(correct.mean(1), None, correct))
    right = correct.sum()
    share = (right + 2) / 993
    half = 1.95996 * math.sqrt(share * (1 - share) / 993)
    assert alone == pytest.approx((share - half, share + half), rel=1e-5)
    with_trainings = accuracy(network(correct.mean(1), Pool(0.005**2, 10, 0.0), correct))
    assert with_trainings[0] < alone[0] < alone[1] < with_trainings[1]
    # no predictions: Student's interval of the pooled variance
    low, high = accuracy(network([0.5, 0.6], Pool(0.01, 7, 0.0)))
    assert (low, high) == pytest.approx(stats.t.interval(0.95, 7, 0.55, math.sqrt(0.01 / 2)))
    assert accuracy(network([0.9], Pool(0.1, 1, 0.0))) == (0.0, 1.0)
    assert all(map(math.isnan, accuracy(network([0.9], None))))
    perfect = np.ones((1, 100))
    low, high = accuracy(network([1.0], None, perfect))
    assert 0.94 < low < 0.97
    assert high == 1.0


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


def test_outcomes() -> None:
    assert [outcome(*given) for given in ((0.1, 0.04), (-0.1, 0.04), (0.1, 0.05), (0.1, math.nan))] == [
        "beat",
        "lost",
        "tie",
        "few",
    ]
    assert outcome(math.nan, math.nan) == "missing"


# -------------------------------------------------------------------------------------------------- strategies


def test_the_unit_is_the_search_and_not_the_training() -> None:
    trainings = searches("darts", "searched", FOUR, 0.02) + searches("random", "random", OTHERS, 0.03)
    row = only(contests(trainings), "random")
    expected = stats.ttest_ind(FOUR, OTHERS, equal_var=False)
    bounds = expected.confidence_interval(0.95)
    assert tuple(row) == CONTESTS
    assert (row["searches"], row["against_searches"], row["matched"]) == (4, 4, None)
    assert (row["low"], row["high"], row["p_value"]) == pytest.approx((bounds.low, bounds.high, expected.pvalue))
    # trained more often, the same searches tell the same
    again = only(contests(trainings * 5), "random")
    assert [again[key] for key in ("low", "high", "p_value")] == pytest.approx(
        [bounds.low, bounds.high, row["p_value"]]
    )


def test_three_searches_are_too_few_and_four_are_enough() -> None:
    far = [value - 0.3 for value in FOUR]
    for ours, theirs, expected in ((4, 4, "beat"), (3, 4, "few"), (4, 3, "few"), (3, 3, "few"), (1, 1, "few")):
        given = searches("darts", "searched", FOUR[:ours]) + searches("random", "random", far[:theirs])
        row = only(contests(given), "random")
        assert row["outcome"] == expected
        if expected == "few":
            assert row["difference"] == pytest.approx(fmean(FOUR[:ours]) - fmean(far[:theirs]))
            assert all(math.isnan(row[key]) for key in ("low", "high", "p_value", "p_holm"))
            assert row["note"] == f"searches: {ours} against {theirs}; a claim needs 4 of each"


def opponents(strategy: str, entries: list[str], matched: str = "1", note: str = "") -> list[dict[str, str]]:
    return [
        {"strategy": strategy, "search_seed": str(seed), "random": "random", "entry": entry}
        | {"matched": matched, "note": note}
        for seed, entry in enumerate(entries)
    ]


def test_each_strategy_meets_random_search_at_its_own_cost() -> None:
    trainings = searches("darts", "searched", FOUR) + searches("tpe", "searched", FOUR)
    trainings += searches("random", "random", OTHERS) + searches("random.2", "random", [0.2, 0.3])
    trainings += [failed("random.2-2", "random", 0, "unneeded"), failed("random.2-3", "random", 0, "unneeded")]
    rivals = opponents("darts", ["random.2-0", "random.2-1", "random-2", "random-3"])
    rivals += opponents("tpe", ["random-0", "random-1", "random-2", "random-3"], "0", "random search ended before")
    darts, tpe = contests(trainings, rivals)
    assert darts["difference"] == pytest.approx(fmean(FOUR) - fmean([0.2, 0.3, *OTHERS[2:]]))
    assert tpe["difference"] == pytest.approx(fmean(FOUR) - fmean(OTHERS))
    assert (darts["matched"], tpe["matched"]) == (1, 0)
    assert "random search ended before" in tpe["note"]
    assert [row["against_searches"] for row in (darts, tpe)] == [4, 4]
    assert [row["p_holm"] for row in (darts, tpe)] == pytest.approx(holm([darts["p_value"], tpe["p_value"]]))


def test_holm_adjusts_over_the_strategies_within_a_role() -> None:
    trainings = searches("a", "searched", FOUR) + searches("b", "searched", [0.85, 0.9, 0.88, 0.86])
    trainings += searches("random", "random", OTHERS) + searches("uniform", "uniform", [0.7, 0.8, 0.9])
    rows = contests(trainings)
    assert [(row["strategy"], row["role"]) for row in rows] == [
        ("a", "random"),
        ("a", "uniform"),
        ("b", "random"),
        ("b", "uniform"),
    ]
    for role in ("random", "uniform"):
        mine = [row for row in rows if row["role"] == role]
        assert [row["p_holm"] for row in mine] == pytest.approx(holm([row["p_value"] for row in mine]))


def test_the_relative_improvement_over_random_networks() -> None:
    networks = [0.80, 0.84, 0.79, 0.85, 0.82, 0.83, 0.8, 0.81]
    row = only(contests(searches("darts", "searched", FOUR) + searches("uniform", "uniform", networks)), "uniform")
    ratio = fmean(FOUR) / fmean(networks)
    assert row["against_searches"] == 8
    assert row["relative_improvement"] == pytest.approx(ratio - 1)
    generator = np.random.default_rng(0)
    drawn = [generator.normal(fmean(one), np.std(one, ddof=1), (100_000, len(one))) for one in (FOUR, networks)]
    error = float(np.std(drawn[0].mean(1) / drawn[1].mean(1)))
    df = stats.ttest_ind(FOUR, [ratio * value for value in networks], equal_var=False).df
    assert (row["ri_high"] - row["ri_low"]) / (2 * error) == pytest.approx(stats.t.ppf(0.975, df), rel=0.02)
    few = contests(searches("darts", "searched", FOUR) + searches("uniform", "uniform", [0.5]))
    assert only(few, "uniform")["outcome"] == "few"


def test_one_baseline_is_chosen_by_validation_and_its_error_is_that_of_trainings() -> None:
    trainings = searches("darts", "searched", FOUR, 0.02)
    trainings += [metrics("a", "baseline", seed, 0.9 + 0.02 * seed, 0.6) for seed in range(2)]
    trainings += [metrics("b", "baseline", seed, 0.99, 0.5) for seed in range(2)]
    row = only(contests(trainings), "baseline")
    assert (row["against"], row["searches"], row["against_searches"]) == ("a", 4, 1)
    # six networks with two trainings each: five are 0.02 apart, one has no spread
    pool = 5 * 0.0002 / 6
    parts = np.var(FOUR, ddof=1) / 4, pool / 2
    bar = (parts[0] * stats.t.ppf(0.975, 3) + parts[1] * stats.t.ppf(0.975, 6)) / sum(parts)
    assert row["high"] - row["difference"] == pytest.approx(bar * math.sqrt(sum(parts)))


def test_without_validation_every_baseline_is_met_and_none_is_chosen_by_the_test_set() -> None:
    trainings = searches("darts", "searched", FOUR, 0.02)
    trainings += [
        metrics(name, "baseline", seed, test, None) for name, test in (("a", 0.7), ("b", 0.8)) for seed in (0, 1)
    ]
    rows = contests(trainings)
    assert [row["against"] for row in rows] == ["a", "b"]
    assert [row["p_holm"] for row in rows] == pytest.approx(holm([row["p_value"] for row in rows]))
    assert all("no validation accuracy to choose a baseline by" in row["note"] for row in rows)
    assert best_baselines({}) == []


def test_a_baseline_trained_once_has_the_spread_of_searches() -> None:
    trainings = [metrics(f"darts-{place}", "searched", 0, mean) for place, mean in enumerate(FOUR)]
    trainings += [metrics("a", "baseline", 0, 0.8)]
    row = only(contests(trainings), "baseline")
    half = stats.t.ppf(0.975, 3) * np.std(FOUR, ddof=1) * math.sqrt(1 / 4 + 1)
    assert row["high"] - row["difference"] == pytest.approx(half)
    assert "trained once" in row["note"]


def test_the_largest_network_needs_four_searches() -> None:
    for count, expected in ((4, "beat"), (3, "few")):
        given = searches("darts", "searched", FOUR[:count], 0.002) + searches("x", "baseline", [0.5], 0.002)
        given += [metrics("largest", "largest", seed, 0.2 + 0.002 * seed) for seed in range(2)]
        assert [row["outcome"] for row in contests(given)] == [expected] * 2


def test_at_the_ceiling_all_tie() -> None:
    given = searches("darts", "searched", [1.0] * 4) + searches("random", "random", [1.0] * 4)
    given += searches("uniform", "uniform", [1.0] * 8) + [metrics("a", "baseline", seed, 1.0) for seed in range(2)]
    for row in contests(given):
        assert (row["difference"], row["outcome"]) == (0.0, "tie")
        assert (row["low"], row["high"], row["p_holm"]) == (0.0, 0.0, 1.0)
        assert "all accuracies are the same" in row["note"]
    ones = np.ones(500)
    for row in contests([one | {"correct": ones} for one in given]):
        assert (row["difference"], row["outcome"]) == (0.0, "tie")
        assert row["low"] < -0.003 < 0.003 < row["high"]


def test_failed_trainings_count_as_losses_beside() -> None:
    given = searches("darts", "searched", FOUR) + searches("random", "random", [0.85, 0.86, 0.85, 0.86])
    given[0] = failed("darts-0", "searched", 0)
    given[2:4] = [failed("darts-1", "searched", seed) for seed in range(2)]
    row = only(contests(given), "random")
    assert (row["searches"], row["failed"], row["against_failed"], row["outcome"]) == (3, 2, 0, "few")
    ours = [(0.1 + FOUR[0]) / 2, 0.1, *FOUR[2:]]
    expected = stats.ttest_ind(ours, [0.85, 0.86, 0.85, 0.86], equal_var=False).confidence_interval(0.95)
    assert (row["failures_low"], row["failures_high"]) == pytest.approx((expected.low, expected.high))
    assert row["failures_outcome"] == "tie"
    assert "failed searches: 2 of 4, 0 of 4" in row["note"]


def test_a_beat_of_the_sound_trainings_is_none_with_failures() -> None:
    five = [*FOUR, 0.93]
    given = searches("darts", "searched", five) + searches("random", "random", [0.80, 0.81, 0.80, 0.82])
    given[8:10] = [failed("darts-4", "searched", seed, "missing") for seed in range(2)]
    row = only(contests(given), "random")
    assert (row["searches"], row["failed"]) == (4, 1)
    assert (row["outcome"], row["failures_outcome"]) == ("beat", "tie")


def test_failures_of_classified_images_are_at_chance_level_on_each() -> None:
    generator = np.random.default_rng(0)
    given = []
    for name, kind in (("darts", "searched"), ("random", "random")):
        for place in range(4):
            correct = two_way(generator, 1, np.full(200, 0.8))[0]
            given.append(metrics(f"{name}-{place}", kind, 0, float(correct.mean()), 0.5, correct))
    sound = only(contests(given), "random")
    given[0] |= {"status": "diverged", "test_accuracy": math.nan, "correct": None}
    row = only(contests(given), "random")
    means = [float(one["correct"].mean()) for one in given if one["correct"] is not None]
    assert row["failures_difference"] == pytest.approx((0.1 + sum(means[:3])) / 4 - fmean(means[3:]))
    assert row["failures_high"] - row["failures_low"] > sound["high"] - sound["low"]


def test_a_search_without_an_opponent_failed_on_the_other_side() -> None:
    given = searches("darts", "searched", FOUR) + searches("random", "random", OTHERS)
    row = only(contests(given, opponents("darts", ["random-0", "random-1", "random-2", ""])), "random")
    assert (row["against_searches"], row["against_failed"], row["outcome"]) == (3, 1, "few")
    assert row["failures_difference"] == pytest.approx(fmean(FOUR) - fmean([*OTHERS[:3], 0.1]))


def test_trainings_at_chance_level_are_noted() -> None:
    given = searches("darts", "searched", FOUR) + searches("random", "random", OTHERS)
    given[0] |= {"test_accuracy": 0.11, "test_images": 1000}
    assert "sound trainings at chance level: 1" in only(contests(given), "random")["note"]


def test_what_cannot_be_compared_is_missing() -> None:
    given: list[Metrics] = [metrics(f"darts-{place}", "searched", 0, 0.9) for place in range(4)]
    given += [failed(f"random-{place}", "random", 0) for place in range(4)]
    row = only(contests(given), "random")
    assert (row["outcome"], row["against_failed"], row["note"]) == (
        "missing",
        4,
        "no sound training on one side; failed searches: 0 of 4, 4 of 4",
    )
    assert math.isnan(row["difference"])
    assert contests([]) == []


def test_the_errors_of_images_widen_a_contest() -> None:
    generator, given = np.random.default_rng(0), []
    for name, kind in (("darts", "searched"), ("random", "random")):
        skill = np.where(generator.random(150) < 0.5, 0.98, 0.7)
        for place in range(4):
            correct = two_way(generator, 1, skill)[0]
            given.append(metrics(f"{name}-{place}", kind, 0, float(correct.mean()), 0.5, correct))
    whole = only(contests(given), "random")
    without = only(contests([one | {"correct": None} for one in given]), "random")
    assert without["note"] == NO_IMAGES
    assert whole["note"] == ""
    assert whole["high"] - whole["low"] > without["high"] - without["low"]
    entries = list(by_entry(given).values())
    per_image = [np.mean([mine[0]["correct"] for mine in side], axis=0) for side in (entries[:4], entries[4:])]
    means = [[mine[0]["test_accuracy"] for mine in side] for side in (entries[:4], entries[4:])]
    between = sum(np.var(side, ddof=1) / 4 for side in means)
    # at most both errors, of which a part is in both
    width = (whole["high"] - whole["low"]) / 2
    both = math.sqrt(between + float((per_image[0] - per_image[1]).var(ddof=1)) / 150)
    assert width < stats.t.ppf(0.975, 3) * both


# ------------------------------------------------------------------------------ searches that end in one network


def found_networks(strategy: str, kind: str, names: str, accuracies: dict[str, Array]) -> list[dict[str, Any]]:
    """The trainings of a search for each letter of `names`, by the network that it ended in."""
    return [
        metrics(f"{strategy}-{place}", kind, seed, accuracy) | {"architecture": name}
        for place, name in enumerate(names)
        for seed, accuracy in enumerate(accuracies[name])
    ]


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize(("mine", "theirs"), [("AAAA", "BBBB"), ("AAAB", "CDEF"), ("AABB", "CCDD"), ("AAAB", "AACD")])
def test_searches_that_end_in_one_network_share_its_training_noise(mine: str, theirs: str, seeds: int) -> None:
    """All networks are alike, so that a claim is false; the trainings of one network are the same in each search."""
    generator, runs = np.random.default_rng(0), 200
    claims = 0
    for _ in range(runs):
        accuracies = {name: 0.9 + 0.003 * generator.standard_normal(seeds) for name in "ABCDEFGHIJ"}
        trainings = found_networks("darts", "searched", mine, accuracies)
        trainings += found_networks("random", "random", theirs, accuracies)
        trainings += found_networks("resnet", "baseline", "GHIJ", accuracies)
        claims += only(contests(trainings, None)[:1], "random")["outcome"] in ("beat", "lost")
    # two standard errors above 5 %
    assert claims / runs <= 0.08


def test_one_network_trained_once_in_all_searches_claims_nothing() -> None:
    accuracies = {"A": np.array([0.9]), "B": np.array([0.8])}
    trainings = found_networks("darts", "searched", "AAAA", accuracies)
    trainings += found_networks("random", "random", "BBBB", accuracies)
    row = only(contests(trainings), "random")
    assert (row["outcome"], row["difference"]) == ("few", pytest.approx(0.1))
    assert "no two trainings of a network: their error is unknown" in row["note"]


def test_both_sides_in_one_network_tie_and_their_error_cancels() -> None:
    accuracies = {"A": np.array([0.9, 0.92]), "B": np.array([0.8, 0.83])}
    trainings = found_networks("darts", "searched", "AAAA", accuracies)
    trainings += found_networks("random", "random", "AAAA", accuracies)
    row = only(contests(trainings), "random")
    assert (row["outcome"], row["difference"], row["p_value"]) == ("tie", 0.0, 1.0)
    assert SHARED not in row["note"]


def test_the_error_of_a_shared_training_is_that_of_its_network() -> None:
    accuracies = {name: np.array([0.8, 0.82]) + place / 100 for place, name in enumerate("ABCDE")}
    trainings = found_networks("darts", "searched", "AAAA", accuracies)
    trainings += found_networks("random", "random", "BCDE", accuracies)
    row = only(contests(trainings), "random")
    # five networks with 1 degree of freedom each: the entries of one network count once
    parts = [(0.0, 3), (float(np.var([0.82, 0.83, 0.84, 0.85], ddof=1)) / 4, 3), (0.0002 / 2, 5)]
    total = sum(variance for variance, _ in parts)
    bar = sum(variance * stats.t.ppf(0.975, df) for variance, df in parts) / total
    assert row["high"] - row["difference"] == pytest.approx(bar * math.sqrt(total))
    assert SHARED in row["note"]


def test_lookups_of_one_network_have_no_training_noise() -> None:
    trainings = found_networks("darts", "searched", "AAAA", {"A": np.array([0.9])})
    trainings += found_networks("random", "random", "BBBB", {"B": np.array([0.8])})
    row = only(contests([{**one, "unit": one["entry"]} for one in trainings]), "random")
    assert (row["outcome"], row["p_value"]) == ("beat", pytest.approx(2 / math.comb(8, 4)))
