"""Measure how well scores order architectures of known accuracy: Kendall's tau-b, Spearman's rho, the best k.

Intervals of tau and rho are 95 % percentile bootstrap ones over architectures (Efron & Tibshirani 1993, chapter 13);
`benchmarks/interval_coverage.py` checks all intervals. `noise.py` bounds an agreement. Imports no torch.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from nas_steps.facts import FEWEST_FOR_INTERVAL
from nas_steps.intervals import expected_best, percentile_interval
from nas_steps.provenance.seeds import derive_seed

Array = np.ndarray[Any, np.dtype[Any]]

#: the fewest pairs for a correlation, and for an interval that is not rough; FEWEST_FOR_INTERVAL for one at all
FEWEST_FOR_TAU, FEWEST_NOT_ROUGH = 3, 10
RESAMPLES = 2000
#: the most architectures whose pairs are compared at once, and numbers of other pools in memory
DENSE, LAID_OUT = 1500, 1_000_000
#: the smoothing of other pools, times n^(-1/6): 1 is best for a normal density (Silverman 1986, section 4.3.2), more
#: makes up for the uncertain correlation
BANDWIDTH = 1.5


@dataclass(frozen=True)
class Figure:
    """A measured value with its 95 % interval over `n` architectures; None if `note` says why there is none."""

    n: int
    note: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Agreement:
    """The agreement of one estimator with one pool. Regrets have the reference's unit, precisions are shares of k."""

    kendall: Figure
    spearman: Figure
    precision: dict[int, Figure]
    regret: dict[int, Figure]
    note: str = ""


def agreement(reference: ArrayLike, scores: ArrayLike, ks: Sequence[int] = (1, 3, 10)) -> dict[str, Agreement]:
    """Return the agreement on the `whole pool` and on its `better half`, at or above the reference's median.

    `reference` has the shape (architectures, seeds), NaN if a training failed, or (architectures,); the mean of the
    sound trainings counts. `scores` has the shape (architectures,), larger is better. `note` counts the architectures
    that lack either. The reference's noise also chooses the better half, which lowers the correlations there.
    """
    truth, fitness, note = paired(reference, scores)
    better = truth >= np.median(truth) if len(truth) else np.zeros(0, dtype=bool)

    def among(truth: Array, fitness: Array) -> Agreement:
        tau, rho = (correlation(truth, fitness, measure) for measure in ("kendall", "spearman"))
        precision, regret = ({k: top(truth, fitness, k, one) for k in ks} for one in ("precision", "regret"))
        return Agreement(tau, rho, precision, regret, note)

    return {"whole pool": among(truth, fitness), "better half": among(truth[better], fitness[better])}


def paired(reference: ArrayLike, scores: ArrayLike) -> tuple[Array, Array, str]:
    """Return mean reference and score of the architectures that have both, and a note on the others."""
    means, fitness = seed_means(reference), np.asarray(scores, dtype=float)
    if means.shape != fitness.shape:
        raise ValueError(f"{len(means)} architectures in the reference, scores of shape {fitness.shape}")
    untrained, unscored = np.isnan(means), np.isnan(fitness)
    counts = {"sound training": untrained.sum(), "score": (unscored & ~untrained).sum()}
    known = ~untrained & ~unscored
    left_out = [
        f"{count} architecture{'' if count == 1 else 's'} without a {what} left out"
        for what, count in counts.items()
        if count
    ]
    return means[known], fitness[known], "; ".join(left_out)


def seed_means(reference: ArrayLike) -> Array:
    """Average the sound trainings, shape (architectures,); NaN for an architecture that has none."""
    table = np.asarray(reference, dtype=float)
    if table.ndim == 1:
        table = table[:, None]
    sound = np.isfinite(table)
    count = sound.sum(1)
    # written so that no mean of nothing is taken
    return np.where(count > 0, np.where(sound, table, 0.0).sum(1) / np.maximum(count, 1), np.nan)


def correlation(truth: ArrayLike, scores: ArrayLike, measure: str) -> Figure:
    """Measure Kendall's tau-b (`kendall`) or Spearman's rho (`spearman`) of two lists without NaN; ties are allowed.

    Fewer than FEWEST_FOR_INTERVAL architectures have no interval: a resample of so few repeats their few orders.
    """
    first, second = ranks(truth), ranks(scores)
    n = len(first)
    if n < FEWEST_FOR_TAU:
        return Figure(n, f"{'1 architecture is' if n == 1 else f'{n} architectures are'} too few for a correlation")
    for places, what in ((second, "scores"), (first, "accuracies after separate training")):
        if places.min() == places.max():
            return Figure(n, f"all {what} are equal, so there is no order to compare")
    (value,) = MEASURES[measure](first, second, np.ones((1, n)))
    if n < FEWEST_FOR_INTERVAL:
        return Figure(n, f"{n} architectures are too few for an interval", float(value))
    low, high = percentile_interval(MEASURES[measure](first, second, resamples(n)))
    note = "" if n >= FEWEST_NOT_ROUGH else "few architectures: the interval is rough"
    if low == high:
        note = "the two orders are the same in every resample: the interval has no width and is too narrow"
    return Figure(n, note, float(value), low, high)


def resamples(n: int) -> Array:
    """Count each of n architectures in each bootstrap sample, shape (RESAMPLES, n); the same at every call."""
    generator = np.random.default_rng(derive_seed(0, "bootstrap", n))
    return generator.multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(float)


def ranks(values: ArrayLike) -> Array:
    """Return midranks: they keep order and ties, and turn an infinite score into a number."""
    return stats.rankdata(np.asarray(values, dtype=float))


def kendall(first: Array, second: Array, counts: Array) -> Array:
    """Return tau-b of each sample, shape (samples,), by its `counts` (samples, n) of the pairs; NaN if undefined."""
    if len(first) > DENSE:
        copies = (np.repeat(np.arange(len(first)), count.astype(int)) for count in counts)
        return np.array([stats.kendalltau(first[chosen], second[chosen]).statistic for chosen in copies])
    left, right = (np.sign(values[:, None] - values) for values in (first, second))

    def pairs(table: Array) -> Array:
        return np.einsum("si,si->s", counts @ table, counts)

    with np.errstate(invalid="ignore"):
        return pairs(left * right) / np.sqrt(pairs(np.abs(left)) * pairs(np.abs(right)))


def spearman(first: Array, second: Array, counts: Array) -> Array:
    """Return Spearman's rho of each sample, with midranks of its own; arguments and shape as in `kendall`."""
    size = counts.sum(1, keepdims=True)
    x, y = (sample_ranks(values, counts) - (size + 1) / 2 for values in (first, second))
    covariance, variance_x, variance_y = (
        np.einsum("si,si,si->s", counts, one, other) for one, other in ((x, y), (x, x), (y, y))
    )
    with np.errstate(invalid="ignore"):
        return covariance / np.sqrt(variance_x * variance_y)


def sample_ranks(values: Array, counts: Array) -> Array:
    """Return the midrank of each value within each sample, shape (samples, n); of no meaning if the count is 0."""
    order = np.argsort(values, kind="stable")
    _, starts, group = np.unique(values[order], return_index=True, return_inverse=True)
    within = np.add.reduceat(counts[:, order], starts, axis=1)
    midranks = np.empty_like(counts)
    midranks[:, order] = (np.cumsum(within, axis=1) - within + (within + 1) / 2)[:, group]
    return midranks


MEASURES: dict[str, Callable[[Array, Array, Array], Array]] = {"kendall": kendall, "spearman": spearman}


def top(truth: ArrayLike, scores: ArrayLike, k: int, measure: str) -> Figure:
    """Measure `precision` of the k best scored, or their `regret`: the pool's best accuracy less the best among the k.

    The value is the exact expectation over random tie-breaks, of scores and (for precision) of accuracies. The interval
    holds the figure of another pool of the same size, as `_other_pools` draws it, with 95 % probability. In simulation
    92 to 98 % of new pools' regrets are in it for normal, uniform and left-skewed accuracies, 80 to 97 % for Student's
    t with 3 degrees of freedom.
    """
    accuracy, fitness = np.asarray(truth, dtype=float), np.asarray(scores, dtype=float)
    n = len(accuracy)
    if k < 1:
        raise ValueError(f"k is {k}, but at least one architecture is taken")
    if n < k or n < 2:
        have = "1 architecture" if n == 1 else f"{n} architectures"
        why = f"fewer than k = {k}" if n < k else "so that there is nothing to choose between"
        return Figure(n, f"the pool has {have}, {why}")
    value = (precision if measure == "precision" else regret)(accuracy, fitness, k)
    low, high = percentile_interval(_of_other_pools(accuracy, fitness, k, measure))
    remarks = (
        (k == n, "the k best are the whole pool"),
        (fitness.min() == fitness.max(), "all scores are equal: what a random choice gives"),
        (accuracy.min() == accuracy.max(), "all accuracies after separate training are equal"),
    )
    return Figure(n, "; ".join(remark for holds, remark in remarks if holds), value, low, high)


def precision(truth: Array, scores: Array, k: int) -> float:
    """Return the expected share of the k best scored that are among the k most accurate."""
    return float(_chance_of_top(scores, k) @ _chance_of_top(truth, k)) / k


def regret(truth: Array, scores: Array, k: int) -> float:
    """Return the best accuracy less the expected best among the k best scored."""
    cut = np.sort(scores)[-k]
    above, tied = truth[scores > cut], truth[scores == cut]
    if len(above):
        tied = np.maximum(tied, above.max())
    # ties of scores are broken at random: exact
    return float(truth.max()) - expected_best(list(map(float, tied)), k - len(above))


def _chance_of_top(values: Array, k: int) -> Array:
    """Return each value's probability to be among the k largest, ties broken at random."""
    cut = np.sort(values)[-k]
    above, tied = values > cut, values == cut
    return above + tied * ((k - above.sum()) / tied.sum())


def _of_other_pools(truth: Array, scores: Array, k: int, measure: str) -> Array:
    """Return the figure of RESAMPLES pools such as this one, shape (RESAMPLES,)."""
    n = len(truth)
    generator = np.random.default_rng(derive_seed(0, "bootstrap top", n, k))
    figures, most = [], max(1, LAID_OUT // n)
    for start in range(0, RESAMPLES, most):
        ability, fitness = _other_pools(truth, scores, min(most, RESAMPLES - start), generator)
        taken = _largest(fitness, k)
        if measure == "regret":
            best = _accuracies(truth, ability.max(1))
            figures.append(best - _accuracies(truth, np.take_along_axis(ability, taken, axis=1).max(1)))
        else:
            wanted = np.zeros(ability.shape, dtype=bool)
            np.put_along_axis(wanted, _largest(ability, k), True, axis=1)
            figures.append(np.take_along_axis(wanted, taken, axis=1).mean(1))
    return np.concatenate(figures)


def _largest(values: Array, k: int) -> Array:
    """Return the places of the k largest of each row, shape (rows, k)."""
    return np.argpartition(-values, k - 1, axis=1)[:, :k]


def _other_pools(truth: Array, scores: Array, pools: int, generator: np.random.Generator) -> tuple[Array, Array]:
    """Draw normal scores of accuracy and of score in other pools of the same size, shapes (pools, n).

    A smoothed bootstrap (Silverman & Young 1987) of a bootstrap: each pool's population is itself a resample. Normal
    noise of the pairs' own correlation moves each pair, since copies would make the best too easy to find. It leaves
    means and variances as they are.
    """
    n = len(truth)
    scored = [_normal_scores(values) for values in (truth, scores)]
    population = generator.integers(0, n, (pools, n))
    chosen = np.take_along_axis(population, generator.integers(0, n, (pools, n)), axis=1)
    means = [values[population].mean(1, keepdims=True) for values in scored]
    spreads = [values[population].std(1, ddof=1, keepdims=True) for values in scored]
    products = np.prod([values[population] - mean for values, mean in zip(scored, means, strict=True)], axis=0)
    both = spreads[0] * spreads[1]
    covariance = products.sum(1, keepdims=True) / (n - 1)
    together = np.clip(np.divide(covariance, both, out=np.zeros_like(both), where=both > 0), -1, 1)
    noise = generator.standard_normal((2, pools, n))
    noise[1] = together * noise[0] + np.sqrt(1 - together**2) * noise[1]
    width = BANDWIDTH * n ** (-1 / 6)
    moved = [
        # if all are equal, noise alone breaks the ties, at random
        mean + (values[chosen] - mean + width * np.where(spread > 0, spread, 1.0) * one) / math.sqrt(1 + width**2)
        for values, mean, spread, one in zip(scored, means, spreads, noise, strict=True)
    ]
    return moved[0], moved[1]


def _normal_scores(values: Array) -> Array:
    """Return normal quantiles of the midranks."""
    return np.asarray(stats.norm.ppf((ranks(values) - 0.5) / len(values)))


def _accuracies(truth: Array, scored: Array) -> Array:
    """Turn normal scores into accuracies along lines between those of `truth`; the last goes on above a single best."""
    known, first, count = np.unique(_normal_scores(truth), return_index=True, return_counts=True)
    heights = truth[first]
    slope = 0.0
    if len(known) > 1 and count[-1] == 1:
        back = max(1, len(known) // 10)
        slope = (heights[-1] - heights[-1 - back]) / (known[-1] - known[-1 - back])
    return np.interp(scored, known, heights) + slope * np.maximum(scored - known[-1], 0.0)
