"""Agreement of scores with accuracies, its intervals, and the noise ceiling."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations, pairwise, permutations
from statistics import fmean

import numpy as np
import pytest
from scipy import stats

from nas_steps.intervals import expected_best, percentile_interval
from nas_steps.ranking import correlation as module
from nas_steps.ranking.correlation import agreement, correlation, kendall, paired, precision, regret, spearman, top
from nas_steps.ranking.noise import halves, noise_ceiling

EXACT = {"abs": 1e-12, "rel": 0}


def tied_pool(seed: int, n: int = 17, values: int = 6) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.integers(0, values, n).astype(float), generator.integers(0, values, n).astype(float)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("values", [3, 6, 1000])
def test_correlations_are_scipys(seed: int, values: int) -> None:
    first, second = tied_pool(seed, values=values)
    assert correlation(first, second, "kendall").value == pytest.approx(
        stats.kendalltau(first, second).statistic, **EXACT
    )
    assert correlation(first, second, "spearman").value == pytest.approx(
        stats.spearmanr(first, second).statistic, **EXACT
    )


@pytest.mark.parametrize(("measure", "scipys"), [(kendall, stats.kendalltau), (spearman, stats.spearmanr)])
def test_resampled_correlations_are_those_of_the_written_out_samples(measure, scipys) -> None:  # type: ignore[no-untyped-def]
    first, second = tied_pool(0)
    counts = np.random.default_rng(1).multinomial(17, np.full(17, 1 / 17), 20).astype(float)
    expected = []
    for count in counts.astype(int):
        chosen = np.repeat(np.arange(17), count)
        expected.append(scipys(first[chosen], second[chosen]).statistic)
    assert measure(first, second, counts) == pytest.approx(np.array(expected), **EXACT)


def test_a_large_pool_is_resampled_one_by_one_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tied_pool(2)
    counts = np.random.default_rng(1).multinomial(17, np.full(17, 1 / 17), 9).astype(float)
    dense = kendall(first, second, counts)
    monkeypatch.setattr(module, "DENSE", 10)
    assert kendall(first, second, counts) == pytest.approx(dense, **EXACT)


def orders(values: np.ndarray) -> list[tuple[int, ...]]:
    """All orders, best first, that ties allow."""
    return [
        order
        for order in permutations(range(len(values)))
        if all(values[one] >= values[other] for one, other in pairwise(order))
    ]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("k", [1, 2, 3, 5, 6])
def test_precision_and_regret_are_the_mean_over_all_ways_to_break_ties(seed: int, k: int) -> None:
    truth, scores = tied_pool(seed, n=6, values=3)
    by_score, by_truth = orders(scores), orders(truth)
    shared = fmean(len(set(mine[:k]) & set(theirs[:k])) / k for mine in by_score for theirs in by_truth)
    assert precision(truth, scores, k) == pytest.approx(shared, **EXACT)
    lost = fmean(truth.max() - max(truth[index] for index in mine[:k]) for mine in by_score)
    assert regret(truth, scores, k) == pytest.approx(lost, **EXACT)
    for measure, value in (("precision", shared), ("regret", lost)):
        found = top(truth, scores, k, measure)
        assert found.value == pytest.approx(value, **EXACT)
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.high


@pytest.mark.parametrize("chosen", [1, 2, 4, 5])
def test_the_expected_best_of_a_few_is_the_mean_over_all_choices(chosen: int) -> None:
    values = [0.3, 0.9, 0.9, 0.1, 0.5]
    brute = fmean(max(some) for some in combinations(values, chosen))
    assert expected_best(values, chosen) == pytest.approx(brute, **EXACT)
    with pytest.raises(ValueError, match="cannot be drawn"):
        expected_best(values, 6)


def test_a_perfect_and_a_reversed_estimator() -> None:
    truth = np.random.default_rng(0).random(30)
    found = agreement(truth, truth)["whole pool"]
    assert (found.kendall.value, found.spearman.value) == pytest.approx((1, 1))
    assert "too narrow" in found.kendall.note
    # other pools of a perfect order have one, too
    assert all(figure.value == figure.low == figure.high == 1 for figure in found.precision.values())
    assert all(figure.value == figure.low == figure.high == 0 for figure in found.regret.values())
    worst = agreement(truth, -truth)["whole pool"]
    assert worst.kendall.value == pytest.approx(-1)
    assert worst.regret[1].value == pytest.approx(np.ptp(truth))


def test_the_better_half_is_at_or_above_the_median() -> None:
    truth = np.array([0.1, 0.9, 0.5, 0.7, 0.3])
    scores = np.array([5.0, 1.0, 2.0, 3.0, 4.0])
    found = agreement(truth, scores, ks=(1,))
    assert found["better half"].kendall.n == 3
    assert found["better half"].kendall.value == pytest.approx(stats.kendalltau([0.9, 0.5, 0.7], [1, 2, 3]).statistic)
    assert found["better half"].regret[1].value == pytest.approx(0.9 - 0.7)
    assert found["whole pool"].kendall.n == 5


def test_failed_trainings_and_missing_scores_are_left_out_and_told() -> None:
    reference = np.array([[0.1, 0.3], [math.nan, 0.5], [math.nan, math.nan], [0.9, 0.7], [0.2, 0.2]])
    truth, scores, note = paired(reference, [1.0, 2.0, 3.0, 4.0, math.nan])
    assert truth == pytest.approx([0.2, 0.5, 0.8])
    assert scores == pytest.approx([1, 2, 4])
    assert note == "1 architecture without a sound training left out; 1 architecture without a score left out"
    assert agreement(reference, [1, 2, 3, 4, math.nan])["whole pool"].note == note
    with pytest.raises(ValueError, match="5 architectures in the reference, scores of shape"):
        agreement(reference, [1.0])


def test_an_infinite_score_is_the_worst_or_best() -> None:
    found = correlation([0.1, 0.2, 0.3, 0.4], [-math.inf, 1.0, 2.0, 3.0], "kendall")
    assert found.value == pytest.approx(1)


@pytest.mark.parametrize(
    ("truth", "scores", "note"),
    [
        ([0.5], [1.0], "1 architecture is too few"),
        ([], [], "0 architectures are too few"),
        ([0.1, 0.2, 0.3], [1.0, 1.0, 1.0], "all scores are equal"),
        ([0.1, 0.1, 0.1], [1.0, 2.0, 3.0], "all accuracies after separate training are equal"),
        ([0.1, 0.1, 0.1], [1.0, 1.0, 1.0], "all scores are equal"),
    ],
)
def test_a_correlation_that_cannot_be_had_says_why(truth: list[float], scores: list[float], note: str) -> None:
    for measure in ("kendall", "spearman"):
        found = correlation(truth, scores, measure)
        assert (found.value, found.low, found.high, found.n) == (None, None, None, len(truth))
        assert note in found.note


@pytest.mark.parametrize("measure", ["kendall", "spearman"])
def test_fewer_than_seven_have_no_interval(measure: str) -> None:
    truth, scores = tied_pool(3, n=7, values=100)
    few, enough = correlation(truth[:6], scores[:6], measure), correlation(truth, scores, measure)
    assert few.value is not None
    assert (few.low, few.high, few.note) == (None, None, "6 architectures are too few for an interval")
    assert enough.low is not None
    assert enough.low <= enough.value <= enough.high  # type: ignore[operator]
    reference = np.random.default_rng(0).random((7, 1)) + 0.01 * np.random.default_rng(1).random((7, 2))
    few_halves, halves_of_seven = (noise_ceiling(reference[:n], measure).halves for n in (6, 7))
    assert (few_halves.low, halves_of_seven.low is None) == (None, False)
    assert few_halves.value is not None
    assert "too few for an interval" in few_halves.note


def test_the_best_k_of_degenerate_pools() -> None:
    assert "fewer than k = 3" in top([0.1, 0.2], [1.0, 2.0], 3, "regret").note
    assert "nothing to choose" in top([0.1], [1.0], 1, "precision").note
    assert agreement([], [])["whole pool"].regret[1].value is None
    constant = top([0.1, 0.2, 0.6], [1.0, 1.0, 1.0], 1, "regret")
    assert constant.value == pytest.approx(0.3)
    assert "what a random choice gives" in constant.note
    assert top([0.1, 0.1, 0.1, 0.1], [1.0, 2.0, 3.0, 4.0], 2, "precision").value == pytest.approx(0.5)
    whole = top([0.1, 0.2], [2.0, 1.0], 2, "precision")
    assert (whole.value, whole.note) == (1, "the k best are the whole pool")
    with pytest.raises(ValueError, match="k is 0"):
        top([0.1, 0.2], [1.0, 2.0], 0, "regret")


def skewed(values: np.ndarray) -> np.ndarray:
    """Accuracies that crowd below a bound."""
    return np.log(stats.norm.cdf(values))


@pytest.mark.parametrize("margin", [np.asarray, skewed], ids=["normal", "left-skewed"])
@pytest.mark.parametrize("measure", ["precision", "regret"])
def test_intervals_of_the_best_k_hold_what_other_pools_show(
    measure: str, margin: Callable[[np.ndarray], np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`benchmarks/interval_coverage.py` does it with more pools; plain resamples hold 60 to 85 % of the regrets."""
    monkeypatch.setattr(module, "RESAMPLES", 400)
    generator = np.random.default_rng(5)
    pools = []
    for _ in range(600):
        scores, other = generator.standard_normal((2, 40))
        pools.append((margin(0.6 * scores + 0.8 * other), scores))
    for k in (1, 3):
        figure = {"precision": precision, "regret": regret}[measure]
        others = np.array([figure(truth, scores, k) for truth, scores in pools])
        within = []
        for truth, scores in pools[:60]:
            found = top(truth, scores, k, measure)
            assert found.low is not None
            assert found.high is not None
            within.append(np.mean((others > found.low - 1e-12) & (others < found.high + 1e-12)))
        # figures of few values cannot be cut off at 95 %
        assert 0.92 <= np.mean(within) <= (0.98 if measure == "regret" else 1)


def test_another_pool_keeps_to_a_bound_that_several_reach() -> None:
    generator = np.random.default_rng(0)
    bounded = np.minimum(generator.random(40), 0.8)
    assert np.sum(bounded == 0.8) > 1
    found = top(bounded, generator.random(40), 1, "regret")
    assert found.high is not None
    assert found.high <= np.ptp(bounded) + 1e-12
    assert found.low == 0


def test_large_pools_are_drawn_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, scores = np.random.default_rng(0).random((2, 50))
    monkeypatch.setattr(module, "RESAMPLES", 90)
    monkeypatch.setattr(module, "LAID_OUT", 50 * 40)
    found = module._of_other_pools(truth, scores, 3, "regret")
    assert found.shape == (90,)
    assert np.all(found >= 0)
    assert len(set(found.tolist())) > 30


def test_intervals_are_the_same_at_every_call_and_narrow_with_more_architectures() -> None:
    generator = np.random.default_rng(0)
    truth = generator.standard_normal(80)
    scores = truth + generator.standard_normal(80)
    few, many = correlation(truth[:20], scores[:20], "kendall"), correlation(truth, scores, "kendall")
    assert few == correlation(truth[:20], scores[:20], "kendall")
    assert many.high - many.low < 0.7 * (few.high - few.low)  # type: ignore[operator]


@pytest.mark.parametrize(("measure", "true"), [("kendall", 1 / 3), ("spearman", 6 / math.pi * math.asin(0.25))])
def test_nominal_95_percent_cover(measure: str, true: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a Gaussian copula with rho 0.5; a standard error of 1 % in 400 pools. The large one is in benchmarks/."""
    monkeypatch.setattr(module, "RESAMPLES", 400)
    generator = np.random.default_rng(3)
    covered = []
    for _ in range(400):
        first = generator.standard_normal(30)
        second = 0.5 * first + math.sqrt(0.75) * generator.standard_normal(30)
        found = correlation(first, second, measure)
        covered.append(found.low <= true <= found.high)  # type: ignore[operator]
    assert 0.92 <= np.mean(covered) <= 0.98


def test_percentile_interval_is_numpys_and_skips_nan() -> None:
    values = np.arange(101.0)
    assert percentile_interval(values) == pytest.approx((2.5, 97.5))
    assert percentile_interval([*values, math.nan]) == pytest.approx((2.5, 97.5))


# ------------------------------------------------------------------------------------------- noise ceiling


@pytest.mark.parametrize(("seeds", "count"), [(2, 1), (3, 3), (4, 3), (5, 15), (6, 10), (10, 126)])
def test_halves_are_all_disjoint_pairs(seeds: int, count: int) -> None:
    found = halves(seeds)
    assert len({frozenset(pair) for pair in found}) == len(found) == count
    assert all(len(first) == len(second) == seeds // 2 and not set(first) & set(second) for first, second in found)


def test_many_seeds_are_split_at_random() -> None:
    found = halves(12)
    assert len(found) == 126
    assert found == halves(12)
    assert all(sorted(first + second) == list(range(12)) for first, second in found)


@pytest.mark.parametrize("measure", ["kendall", "spearman"])
def test_halves_of_two_seeds_are_their_correlation(measure: str) -> None:
    reference = np.random.default_rng(0).standard_normal((25, 1)) + np.random.default_rng(1).standard_normal((25, 2))
    found = noise_ceiling(reference, measure)
    once = correlation(reference[:, 0], reference[:, 1], measure)
    assert found.halves.value == pytest.approx(once.value, **EXACT)
    assert (found.halves.low, found.halves.high) == pytest.approx((once.low, once.high), **EXACT)
    assert found.halves.value < found.ceiling.value  # type: ignore[operator]


@pytest.mark.parametrize("seeds", [2, 3, 4])
def test_the_ceiling_is_what_a_perfect_estimator_reaches(seeds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESAMPLES", 20)
    generator = np.random.default_rng(seeds)
    truth = generator.standard_normal(1200)
    reference = truth[:, None] + 1.2 * generator.standard_normal((1200, seeds))
    found = noise_ceiling(reference)
    perfect = stats.kendalltau(truth, reference.mean(1)).statistic
    assert found.ceiling.value == pytest.approx(perfect, abs=0.03)


def test_the_ceiling_of_the_better_half_is_that_of_seeds_which_choose_it() -> None:
    generator = np.random.default_rng(0)
    reference = generator.standard_normal((400, 1)) + generator.standard_normal((400, 2))
    found = noise_ceiling(reference, better_half=True)
    both = []
    for one, other in ((0, 1), (1, 0)):
        among = reference[:, one] >= np.median(reference[:, one])
        both.append(stats.kendalltau(reference[among, one], reference[among, other]).statistic)
    latent = fmean(math.sin(math.pi / 2 * tau) for tau in both)
    assert found.halves.value == pytest.approx(2 / math.pi * math.asin(latent), **EXACT)
    assert found.halves.value < noise_ceiling(reference).halves.value  # type: ignore[operator]
    assert "whole pool only" in found.ceiling.note


def test_a_ceiling_that_cannot_be_had_says_why() -> None:
    one = noise_ceiling([[0.1], [0.2], [0.3]])
    assert one.ceiling.value is None
    assert "one training seed" in one.ceiling.note
    assert noise_ceiling([0.1, 0.2, 0.3]).ceiling.note == one.ceiling.note
    failed = noise_ceiling([[0.1, math.nan], [0.2, 0.3], [0.3, 0.1]])
    assert "only 2 architectures" in failed.halves.note
    flat = noise_ceiling([[0.1, 0.2], [0.1, 0.3], [0.1, 0.4]])
    assert "equal" in flat.halves.note
    against = noise_ceiling([[0.1, 0.4], [0.2, 0.3], [0.3, 0.2], [0.4, 0.1]])
    assert against.halves.value == pytest.approx(-1)
    assert against.ceiling.value is None
    assert "noise" in against.ceiling.note
    left = noise_ceiling([[0.1, 0.2], [0.2, 0.3], [0.3, 0.1], [0.4, math.nan]])
    assert left.halves.n == 3
    assert "1 architecture" in left.halves.note
