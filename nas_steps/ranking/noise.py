"""Measure the noise of trainings: the correlation that it allows, and what lies under it. Imports no torch."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from nas_steps.intervals import percentile_interval
from nas_steps.provenance.seeds import derive_seed
from nas_steps.ranking.correlation import (
    FEWEST_FOR_INTERVAL,
    FEWEST_FOR_TAU,
    MEASURES,
    Array,
    Figure,
    correlation,
    paired,
    ranks,
    resamples,
    seed_means,
)

ONE_SEED = "one training seed: its noise cannot be told from the architectures' differences"
#: the most splits of the seeds: all of them, else this many random ones
SPLITS = 126

#: from a rank correlation to Pearson's of the normal variables under it, and back (Kruskal 1958)
LATENT: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "kendall": (lambda tau: np.sin(np.pi / 2 * tau), lambda rho: 2 / np.pi * np.arcsin(rho)),
    "spearman": (lambda rank: 2 * np.sin(np.pi / 6 * rank), lambda rho: 6 / np.pi * np.arcsin(rho / 2)),
}


@dataclass(frozen=True)
class Ceiling:
    """The correlation of two halves of the reference's seeds, and that of an estimator of each expected accuracy."""

    halves: Figure
    ceiling: Figure


def noise_ceiling(reference: ArrayLike, measure: str = "kendall", better_half: bool = False) -> Ceiling:
    """Return the noise ceiling of `reference`, shape (architectures, seeds), NaN if a training failed.

    Each half has floor(seeds / 2) seeds. Averages over halves, the correction s r / (1 + (s - 1) r) for s times as many
    seeds (Spearman 1910; Brown 1910) and the square root of the reliability (Spearman 1904) are of the correlation of
    the normal variables under the ranks: exact for a Gaussian copula of equal noise. Intervals resample architectures.

    With `better_half` one half of the seeds chooses the better architectures, and the other half is the estimator; both
    ways are averaged. The correction does not hold among the chosen, so there is only `halves`.
    """
    table = np.asarray(reference, dtype=float)
    seeds = 1 if table.ndim == 1 else table.shape[1]
    if seeds < 2:
        return _without(ONE_SEED, len(table))
    pairs = [(seed_means(table[:, list(first)]), seed_means(table[:, list(second)])) for first, second in halves(seeds)]
    usable = np.all([np.isfinite(half) for pair in pairs for half in pair], axis=0)
    n = int(usable.sum())
    if n < FEWEST_FOR_TAU * (1 + better_half):
        return _without(f"only {n} architectures have sound trainings in all halves of the seeds: too few", n)
    chosen = [(first[usable], second[usable]) for first, second in pairs]
    if better_half:
        chosen += [(second, first) for first, second in chosen]
    counts = np.vstack([np.ones((1, n)), resamples(n)])
    latent = []
    for first, second in chosen:
        among = first >= np.median(first) if better_half else np.ones(n, dtype=bool)
        one, other = ranks(first[among]), ranks(second[among])
        if min(np.ptp(one), np.ptp(other)) == 0:
            return _without("all accuracies of one half of the seeds are equal, so there is no order to compare", n)
        latent.append(LATENT[measure][0](MEASURES[measure](one, other, counts[:, among])))
    left = len(table) - n
    note = f"{left} architectures without a sound training in every half left out" if left else ""
    mean, factor, back = np.mean(latent, axis=0), seeds / (seeds // 2), LATENT[measure][1]
    measured = _figure(back(mean), n, note)
    if better_half:
        return Ceiling(measured, Figure(n, "the correction to all seeds holds for the whole pool only"))
    positive = np.where(mean > 0, mean, np.nan)
    reliability = factor * positive / (1 + (factor - 1) * positive)
    return Ceiling(measured, _figure(back(np.sqrt(reliability)), n, note))


def _figure(values: Array, n: int, note: str) -> Figure:
    """Return the first value, which is measured, with an interval of the others, which are resampled."""
    if math.isnan(values[0]):
        return Figure(n, "the halves do not agree: the reference's order is noise")
    if n < FEWEST_FOR_INTERVAL:
        few = f"{n} architectures are too few for an interval"
        return Figure(n, f"{note}; {few}" if note else few, float(values[0]))
    # a resample whose halves do not agree allows no agreement
    low, high = percentile_interval(np.nan_to_num(values[1:], nan=0.0))
    return Figure(n, note, float(values[0]), low, high)


def halves(seeds: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """List the pairs of disjoint halves of range(seeds), each once; of an odd number one seed is left out in turn."""
    size = seeds // 2
    if math.comb(seeds, size) * math.comb(seeds - size, size) // 2 <= SPLITS:
        return [
            (first, second)
            for first in combinations(range(seeds), size)
            for second in combinations([seed for seed in range(seeds) if seed not in first], size)
            if first < second
        ]
    generator = np.random.default_rng(derive_seed(0, "halves", seeds))
    orders = [generator.permutation(seeds).tolist() for _ in range(SPLITS)]
    return [(tuple(order[:size]), tuple(order[size : 2 * size])) for order in orders]


def noise_variance(reference: ArrayLike) -> tuple[float, float]:
    """Return the variance of one architecture's trainings, and how many trainings a mean has.

    `reference` has the shape (architectures, seeds), NaN if a training failed. The variance is pooled over
    architectures; 0 if none has two sound trainings. The trainings of a mean are the harmonic mean of their counts.
    """
    table = np.asarray(reference, dtype=float)
    counts = np.isfinite(table).sum(1)
    squares = np.nansum((table - seed_means(table)[:, None]) ** 2)
    freedom = np.maximum(counts - 1, 0).sum()
    sound = counts[counts > 0]
    return float(squares / freedom) if freedom else 0.0, float(len(sound) / (1 / sound).sum()) if len(sound) else 1.0


def reliability(means: Array, noise: float) -> float:
    """Return the share of the variance of means that is not `noise`, the variance of a mean; 1 without noise."""
    if noise == 0:
        return 1.0
    return max(0.0, 1 - noise / float(means.var(ddof=1))) if np.ptp(means) else 0.0


def raised(tau: ArrayLike, reliable: ArrayLike) -> Any:
    """Return Kendall's tau with the expected accuracy from that with a mean of the given reliability (Spearman 1904).

    The latent correlation is divided by the root of the reliability and kept within -1 and 1; without any reliability
    it is the sign of tau.
    """
    latent = np.sin(np.pi / 2 * np.asarray(tau, dtype=float))
    root = np.sqrt(np.maximum(reliable, 1e-12))
    return 2 / np.pi * np.arcsin(np.clip(latent / root, -1, 1))


@dataclass(frozen=True)
class Truth:
    """The spread of expected accuracies, the noise of one training (standard deviations), and tau without noise."""

    noise: Figure
    spread: Figure
    reliability: Figure
    kendall: Figure


def truth(scores: ArrayLike, reference: ArrayLike) -> Truth:
    """Measure what lies under the noise of `reference`, shape (architectures, seeds); `scores` (architectures,).

    The variance of expected accuracies is that of means less that of noise / seeds, not below 0; their ratio is the
    means' reliability. `raised` makes tau that with expected accuracies. Intervals resample architectures, and take
    the reliability of each resample. There are no figures if no architecture has two sound trainings or no order.
    """
    means, fitness, _ = paired(reference, scores)
    table = known_rows(scores, reference)
    n = len(means)
    tau = correlation(means, fitness, "kendall")
    freedom = np.maximum(np.isfinite(table).sum(1) - 1, 0) if n else np.zeros(0)
    if tau.value is None or not freedom.sum():
        none = Figure(n, tau.note if tau.value is None else ONE_SEED)
        return Truth(none, none, none, none)
    counts = np.vstack([np.ones((1, n)), resamples(n)])
    squares = np.nansum((table - means[:, None]) ** 2, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        noise = (counts @ squares) / (counts @ freedom)
        centred = means - means.mean()
        total = (counts @ centred**2 - (counts @ centred) ** 2 / n) / (n - 1)
        spread = np.maximum(total - noise / noise_variance(table)[1], 0)
        reliable = spread / total
        kendall = raised(MEASURES["kendall"](ranks(means), ranks(fitness), counts), reliable)

    def figure(values: Array) -> Figure:
        if n < FEWEST_FOR_INTERVAL:
            return Figure(n, tau.note, float(values[0]))
        return Figure(n, tau.note, float(values[0]), *percentile_interval(values[1:]))

    return Truth(figure(np.sqrt(noise)), figure(np.sqrt(spread)), figure(reliable), figure(kendall))


@dataclass(frozen=True)
class Worlds:
    """Spaces that a sample allows: arrays (worlds,) of the correlation of score and expected accuracy as normal
    variables, the mean and standard deviation of expected accuracies, and the noise of one training."""

    correlation: Array
    mean: Array
    spread: Array
    noise: Array


def posterior(scores: ArrayLike, reference: ArrayLike, worlds: int, seed: int = 0) -> Worlds:
    """Draw worlds, a power of 2, from their distribution given a sample's scores and accuracies (architectures, seeds).

    The mean accuracy is a line in the normal scores of the estimator's ranks, plus a residual whose variance has two
    parts: that of expected accuracies about the line, at least 0, and noise / seeds. With the usual flat prior of a
    line and of the logarithms of both variances (Box & Tiao 1973, sections 2.7 and 5.2), all draws have a closed form:
    the two sums of squares give chi-squared variables whose share is a Beta variable, cut off where the residual would
    be below the noise. The uniform numbers are scrambled Sobol points. Raises ValueError if there are fewer than 3
    architectures, no two sound trainings of one of them, or no order of scores.
    """
    means, fitness, _ = paired(reference, scores)
    table = known_rows(scores, reference)
    n = len(means)
    within, trainings = noise_variance(table)
    freedom = int(np.maximum(np.isfinite(table).sum(1) - 1, 0).sum()) if n else 0
    if n < FEWEST_FOR_TAU or not freedom or np.ptp(ranks(fitness)) == 0:
        raise ValueError(f"{n} architectures with {freedom} repeated trainings, or without an order, show no noise")
    z = stats.norm.ppf((ranks(fitness) - 0.5) / n)
    z -= z.mean()
    slope = float(z @ means / (z @ z))
    residual = float(((means - means.mean() - slope * z) ** 2).sum())
    a, w, squares = n - 2, freedom, within * freedom / trainings
    points = stats.qmc.Sobol(4, rng=np.random.default_rng(derive_seed(seed, "worlds"))).random(worlds)
    first, second, *uniform = points.T
    bound = residual / (residual + squares) if residual + squares > 0 else 1.0
    held = special.betainc(a / 2, w / 2, bound)
    # near 0 the distribution is a power
    share = special.betaincinv(a / 2, w / 2, first * held) if held > 1e-200 else bound * first ** (2 / a)
    total = stats.chi2.ppf(second, a + w)
    tiny = np.finfo(float).tiny
    of_mean = squares / np.maximum((1 - share) * total, tiny)
    variance = np.maximum(residual / np.maximum(share * total, tiny), of_mean)
    one, other = (stats.norm.ppf(values) for values in uniform)
    slopes = slope + one * np.sqrt(variance / (z @ z))
    spread = np.sqrt(slopes**2 + variance - of_mean)
    rho = np.divide(slopes, spread, out=np.zeros_like(spread), where=spread > 0)
    mean = means.mean() + other * np.sqrt(variance / n)
    return Worlds(np.clip(rho, -1, 1), mean, spread, np.sqrt(of_mean * trainings))


def known_rows(scores: ArrayLike, reference: ArrayLike) -> Array:
    """Return the rows of the architectures that `paired` keeps."""
    table = np.asarray(reference, dtype=float)
    table = table[:, None] if table.ndim == 1 else table
    return table[np.isfinite(table).any(1) & ~np.isnan(np.asarray(scores, dtype=float))]


def _without(why: str, n: int) -> Ceiling:
    return Ceiling(Figure(n, why), Figure(n, why))
