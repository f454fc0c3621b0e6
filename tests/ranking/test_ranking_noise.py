"""What lies under the noise of trainings: variances, the true tau, and the worlds that a sample allows."""

from __future__ import annotations

import math
from statistics import fmean, variance

import numpy as np
import pytest
from scipy import stats

from nas_steps.ranking.correlation import correlation
from nas_steps.ranking.noise import noise_variance, posterior, raised, truth

NAN = math.nan


def sample(n: int, rho: float, noise: float, seeds: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n,) and accuracies (n, seeds); expected accuracies are normal with the spread 1."""
    generator = np.random.default_rng(seed)
    scores, other = generator.standard_normal((2, n))
    accuracies = rho * scores + math.sqrt(1 - rho * rho) * other
    return scores, accuracies[:, None] + noise * generator.standard_normal((n, seeds))


def test_the_noise_is_pooled_within_architectures() -> None:
    table = [[0.1, 0.4, 0.3], [0.9, NAN, 0.5], [NAN, 0.2, NAN], [NAN, NAN, NAN]]
    pooled = (2 * variance([0.1, 0.4, 0.3]) + variance([0.9, 0.5])) / 3
    assert noise_variance(table) == pytest.approx((pooled, 3 / (1 / 3 + 1 / 2 + 1)))
    assert noise_variance([[0.1], [0.2]]) == (0, 1)
    assert noise_variance(np.zeros((0, 2))) == (0, 1)


def test_a_tau_is_raised_by_the_root_of_the_reliability_at_most_to_one() -> None:
    assert raised(0.5, 1.0) == pytest.approx(0.5)
    expected = 2 / math.pi * math.asin(math.sin(math.pi * 0.1) / math.sqrt(0.25))
    assert raised(0.2, 0.25) == pytest.approx(expected)
    assert raised(-0.2, 0.25) == pytest.approx(-expected)
    assert raised([0.9, -0.9, 0.0], [0.2, 0.2, 0.2]) == pytest.approx([1, -1, 0])
    assert raised([0.1, -0.1, 0.0], [0.0, 0.0, 0.0]) == pytest.approx([1, -1, 0])


def test_what_lies_under_the_noise_is_found_again() -> None:
    scores, reference = sample(1000, math.sin(math.pi * 0.25), 1.5, 3)
    found = truth(scores, reference)
    assert found.noise.value == pytest.approx(1.5, abs=0.05)
    assert found.spread.value == pytest.approx(1, abs=0.1)
    assert found.reliability.value == pytest.approx(1 / (1 + 1.5**2 / 3), abs=0.05)
    assert found.kendall.value == pytest.approx(0.5, abs=0.05)
    measured = correlation(reference.mean(1), scores, "kendall").value
    assert measured is not None
    assert measured < 0.45
    for figure in (found.noise, found.spread, found.reliability, found.kendall):
        assert figure.low < figure.value < figure.high  # type: ignore[operator]
    # the interval carries the reliability's error
    own = correlation(reference.mean(1), scores, "kendall")
    assert found.kendall.high - found.kendall.low > own.high - own.low  # type: ignore[operator]


def test_every_figure_of_the_truth_is_the_one_by_hand() -> None:
    scores, reference = sample(9, 0.6, 0.7, 2, seed=3)
    found = truth(scores, reference)
    noise = fmean(variance(row) for row in reference.tolist())
    total = variance(reference.mean(1).tolist())
    assert found.noise.value == pytest.approx(math.sqrt(noise))
    assert found.spread.value == pytest.approx(math.sqrt(total - noise / 2))
    assert found.reliability.value == pytest.approx(1 - noise / 2 / total)
    tau = stats.kendalltau(scores, reference.mean(1)).statistic
    latent = math.sin(math.pi / 2 * tau) / math.sqrt(1 - noise / 2 / total)
    assert found.kendall.value == pytest.approx(2 / math.pi * math.asin(min(1, latent)))


def test_means_that_vary_less_than_their_noise_have_no_spread() -> None:
    found = truth(list(range(8)), [[0.1, 0.9], [0.9, 0.11]] * 4)
    assert (found.spread.value, found.reliability.value) == (0, 0)
    assert found.kendall.value in (-1, 1)


@pytest.mark.parametrize(
    ("scores", "reference", "note"),
    [
        ([1.0, 2.0, 3.0], [[0.1], [0.2], [0.4]], "one training seed"),
        ([1.0, 2.0, 3.0], [[0.1, NAN], [0.2, NAN], [NAN, 0.4]], "one training seed"),
        ([1.0, 2.0], [[0.1, 0.2], [0.2, 0.1]], "2 architectures are too few"),
        ([1.0, 1.0, 1.0], [[0.1, 0.2], [0.2, 0.1], [0.4, 0.3]], "all scores are equal"),
        ([], np.zeros((0, 1)), "0 architectures are too few"),
    ],
)
def test_what_cannot_be_known_says_why(scores: list[float], reference: list[list[float]], note: str) -> None:
    found = truth(scores, reference)
    for figure in (found.noise, found.spread, found.reliability, found.kendall):
        assert (figure.value, figure.low, figure.high) == (None, None, None)
        assert note in figure.note
    with pytest.raises(ValueError, match="show no noise"):
        posterior(scores, reference, 8)


def test_few_architectures_have_no_interval() -> None:
    found = truth(*sample(6, 0.6, 0.5, 2))
    assert found.kendall.value is not None
    assert (found.kendall.low, found.noise.low) == (None, None)


@pytest.mark.parametrize(("noise", "seeds"), [(0.3, 2), (2.0, 3)])
def test_worlds_are_those_of_a_rejection_sampler(noise: float, seeds: int) -> None:
    """Draw both variances by themselves, and keep those whose residual is at least the noise."""
    scores, reference = sample(12, 0.7, noise, seeds, seed=1)
    worlds = posterior(scores, reference, 4096)
    generator = np.random.default_rng(5)
    z = stats.norm.ppf((stats.rankdata(scores) - 0.5) / 12)
    means = reference.mean(1)
    line = stats.linregress(z, means)
    residual = ((means - line.intercept - line.slope * z) ** 2).sum()
    within = ((reference - means[:, None]) ** 2).sum()
    about = residual / generator.chisquare(10, 400_000)
    of_one = within / generator.chisquare(12 * (seeds - 1), 400_000)
    kept = about >= of_one / seeds
    about, of_one = about[kept], of_one[kept]
    slope = line.slope + np.sqrt(about / (z @ z)) * generator.standard_normal(len(about))
    spread = np.sqrt(slope**2 + about - of_one / seeds)
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    for name, drawn, brute in (
        ("noise", worlds.noise, np.sqrt(of_one)),
        ("spread", worlds.spread, spread),
        ("correlation", worlds.correlation, slope / spread),
    ):
        assert np.quantile(drawn, levels) == pytest.approx(np.quantile(brute, levels), abs=0.03, rel=0.03), name
    assert worlds.mean.mean() == pytest.approx(means.mean(), abs=0.02)


def test_worlds_of_a_large_sample_are_the_world() -> None:
    worlds = posterior(*sample(5000, 0.6, 1.5, 3), 64)
    assert worlds.noise == pytest.approx(np.full(64, 1.5), abs=0.06)
    assert worlds.spread == pytest.approx(np.full(64, 1.0), abs=0.12)
    assert worlds.correlation == pytest.approx(np.full(64, 0.6), abs=0.1)


@pytest.mark.parametrize(
    "reference",
    [
        np.repeat(np.arange(9.0)[:, None], 2, axis=1),  # no noise
        np.repeat(stats.norm.ppf((np.arange(9) + 0.5) / 9)[:, None], 2, axis=1),  # on the line, without noise
        stats.norm.ppf((np.arange(9) + 0.5) / 9)[:, None] + np.array([[-0.1, 0.1]]),  # on the line, with noise
        np.full((9, 2), 0.5) + np.array([[-0.1, 0.1]]),  # noise alone
        np.where(np.arange(18).reshape(9, 2) % 5, np.arange(18.0).reshape(9, 2), NAN),  # failed trainings
    ],
)
def test_worlds_of_degenerate_samples_are_numbers(reference: np.ndarray) -> None:
    worlds = posterior(np.arange(9.0), reference, 64)
    for values in (worlds.correlation, worlds.mean, worlds.spread, worlds.noise):
        assert np.isfinite(values).all()
    assert (worlds.spread >= 0).all()
    assert (np.abs(worlds.correlation) <= 1).all()
