"""Bound the correlation that any estimator can reach, since the reference changes with its seed. Imports no torch."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from nas_steps.intervals import percentile_interval
from nas_steps.provenance.seeds import derive_seed
from nas_steps.ranking.correlation import FEWEST_FOR_TAU, MEASURES, Array, Figure, ranks, resamples, seed_means

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
        return _without("one training seed: its noise cannot be told from the architectures' differences", len(table))
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


def _without(why: str, n: int) -> Ceiling:
    return Ceiling(Figure(n, why), Figure(n, why))
