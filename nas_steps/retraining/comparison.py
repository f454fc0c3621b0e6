"""Was it better, by how much, and could so few trainings have told? Statistics of paired differences.

A difference is one entry's accuracy minus another's after trainings with the same seed. The interval that is shown is
Student's t, from three pairs on: in simulation (`benchmarks/interval_coverage.py`) no bootstrap covers better up to 50
pairs, and the percentile and BCa ones cover far too little below 20. A studentised bootstrap interval (Efron &
Tibshirani 1993, section 12.5) stands beside it from five pairs on, and a sign-flip test (Fisher 1935) beside the t
test: where they disagree with it, the differences are not normal. Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import product
from statistics import fmean, stdev
from typing import Any

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from scipy.special import ndtr

from nas_steps.intervals import mean_interval, percentile_interval
from nas_steps.provenance.seeds import derive_seed

#: below this many pairs an interval would be a guess
FEWEST_PAIRS = 3
#: below this many a studentised bootstrap covers too little
FEWEST_FOR_BOOTSTRAP = 5
#: up to so many pairs all sign flips are gone through (65,536), beyond FLIPS random ones
EXACT_PAIRS = 16
FLIPS = 100_000
RESAMPLES = 10_000
ALPHA = 0.05
POWER = 0.80
QUANTILES = 2000
#: differences whose spread is below this are the same for every seed
SAME = 1e-12

#: what `paired` returns, in shares of accuracy where nothing else is said
PAIRED = (
    "difference",
    "low",
    "high",
    "p_value",
    "bootstrap_low",
    "bootstrap_high",
    "p_flips",
    "least_p_flips",
    "spread",
    "effect",
    "seeds_needed",
    "detectable",
    "note",
)


def paired(differences: Sequence[float]) -> dict[str, Any]:
    """Mean of paired differences and what can be said of it; NaN where it cannot be had, `note` says why.

    low, high: 95 % t interval; bootstrap_low, bootstrap_high: the studentised bootstrap one
    p_value: of the two-sided paired t test
    p_flips: of the two-sided sign-flip test; least_p_flips: the smallest that so many pairs can give
    spread: standard deviation of the differences; effect: Hedges' g of the paired differences, in such deviations
    seeds_needed: pairs for 80 % power at this difference and spread, if they are the true ones; infinite for none
    detectable: the true difference that so many pairs with this spread would show with 80 % power
    """
    unknown = dict.fromkeys(PAIRED, math.nan)
    if not differences:
        return {**unknown, "note": "no pair of sound trainings"}
    found = {**unknown, "difference": fmean(differences), "least_p_flips": 2.0 ** (1 - len(differences))}
    if len(differences) < FEWEST_PAIRS:
        return {**found, "note": f"{len(differences)} of the {FEWEST_PAIRS} seeds that a claim needs"}
    if max(differences) - min(differences) < SAME:
        return {**found, "note": "the difference is the same for every seed: its spread cannot be estimated"}
    interval = mean_interval(differences)
    bootstrap_low, bootstrap_high = studentised_interval(differences)
    return {
        **found,
        "low": interval["low"],
        "high": interval["high"],
        "p_value": float(stats.ttest_1samp(differences, 0.0).pvalue),
        "bootstrap_low": bootstrap_low,
        "bootstrap_high": bootstrap_high,
        "p_flips": sign_flips(differences),
        "spread": interval["std"],
        "effect": hedges(differences),
        "seeds_needed": seeds_needed(found["difference"] / interval["std"]),
        "detectable": detectable(len(differences)) * interval["std"],
        "note": "",
    }


def caution(pairs: int, hypotheses: int = 1) -> str:
    """What so few pairs cannot show, in words; empty where there are enough for a claim without assumptions.

    With n pairs the sign-flip test gives no p-value below 2 / 2**n, and Holm's adjustment multiplies the smallest of
    several by their number.
    """
    if pairs < FEWEST_PAIRS:
        return f"too few seeds for a claim: {pairs} of {FEWEST_PAIRS}"
    least = hypotheses * 2.0 ** (1 - pairs)
    if least < ALPHA:
        return ""
    needed = math.floor(math.log2(2 * hypotheses / ALPHA)) + 1
    among = "" if hypotheses == 1 else f" among {hypotheses} comparisons"
    return (
        f"a claim from {pairs} seeds{among} rests on normally distributed differences: without that, no p-value can "
        f"fall below {min(1.0, least):.2g}; {needed} seeds could"
    )


def sign_flips(differences: Sequence[float]) -> float:
    """Two-sided p-value that the differences are symmetric around 0: exact for up to EXACT_PAIRS, else Monte Carlo.

    The share of sign patterns whose mean is at least as far from 0 as the measured one, which counts itself among the
    random patterns (Phipson & Smyth 2010), so that no p-value is 0.
    """
    values = np.asarray(differences, dtype=float)
    # patterns that give the same sum must count as such, whatever the order of adding
    bar = abs(values.sum()) - 1e-9 * np.abs(values).sum()
    if len(values) <= EXACT_PAIRS:
        # the first sign stays: the mirrored pattern is as far from 0
        signs = np.array(list(product((1.0, -1.0), repeat=len(values) - 1)))
        return float(np.mean(np.abs(values[0] + signs @ values[1:]) >= bar))
    generator = np.random.default_rng(derive_seed(0, "sign flips", len(values)))
    signs = generator.choice((1.0, -1.0), (FLIPS, len(values)))
    return float((1 + np.sum(np.abs(signs @ values) >= bar)) / (1 + FLIPS))


def studentised_interval(differences: Sequence[float]) -> tuple[float, float]:
    """95 % studentised bootstrap interval of the mean; NaN for fewer than FEWEST_FOR_BOOTSTRAP differences."""
    values = np.asarray(differences, dtype=float)
    n = len(values)
    if n < FEWEST_FOR_BOOTSTRAP:
        return math.nan, math.nan
    generator = np.random.default_rng(derive_seed(0, "bootstrap of differences", n))
    samples = values[generator.integers(0, n, (RESAMPLES, n))]
    spread = samples.std(axis=1, ddof=1)
    # a sample of one value only has no spread to be measured in
    ratios = (samples.mean(axis=1) - values.mean())[spread > SAME] / spread[spread > SAME]
    low, high = percentile_interval(ratios)
    deviation = values.std(ddof=1)
    return float(values.mean() - high * deviation), float(values.mean() - low * deviation)


def hedges(differences: Sequence[float]) -> float:
    """Hedges' g: mean over standard deviation of the paired differences, freed of its bias for few (Hedges 1981)."""
    half = (len(differences) - 1) / 2
    correction = math.exp(math.lgamma(half) - math.lgamma(half - 0.5)) / math.sqrt(half)
    return correction * fmean(differences) / stdev(differences)


def power(pairs: int, effect: float, alpha: float = ALPHA) -> float:
    """Probability that the two-sided paired t test finds a true `effect`, in standard deviations of the differences."""
    shift = abs(effect) * math.sqrt(pairs)
    # the mean over the measured standard deviation's quantiles: scipy's noncentral t is NaN for large effects
    bar = stats.t.ppf(1 - alpha / 2, pairs - 1) * _deviations(pairs)
    return float(np.mean(ndtr(shift - bar) + ndtr(-shift - bar)))


@cache
def _deviations(pairs: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Quantiles of the standard deviation that so many standard normal values have."""
    places = (np.arange(QUANTILES) + 0.5) / QUANTILES
    return np.sqrt(stats.chi2.ppf(places, pairs - 1) / (pairs - 1))


def seeds_needed(effect: float, alpha: float = ALPHA, wanted: float = POWER) -> float:
    """The fewest pairs with the wanted power at a true `effect` in standard deviations; infinite for a million or more.

    An effect that was measured over a few seeds is itself uncertain, and so is the number of seeds for it.
    """
    if effect == 0:
        return math.inf
    # the normal test needs a little fewer than the t test, and has no degrees of freedom
    pairs = max(2, math.floor((stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(wanted)) ** 2 / effect**2))
    while pairs < 1_000_000 and power(pairs, effect, alpha) < wanted:
        pairs += 1
    return float(pairs) if pairs < 1_000_000 else math.inf


@cache
def detectable(pairs: int, alpha: float = ALPHA, wanted: float = POWER) -> float:
    """The smallest true effect, in standard deviations of the differences, that `pairs` find with the wanted power."""
    return float(brentq(lambda effect: power(pairs, effect, alpha) - wanted, 0.0, 1000.0))


def best_weights(merits: Sequence[float], chosen: int) -> list[float]:
    """Each entry's probability to have the largest merit among `chosen` entries drawn at random without replacement.

    Of equal merits the earlier entry wins. For one drawn all are equal, so that the mean is the best of one.
    ValueError where there are fewer entries than are to be drawn.
    """
    n = len(merits)
    if not 1 <= chosen <= n:
        raise ValueError(f"{chosen} of {n} entries cannot be drawn")
    weights = [0.0] * n
    order = sorted(range(n), key=lambda index: (merits[index], -index))
    for place, index in enumerate(order):
        weights[index] = math.comb(place, chosen - 1) / math.comb(n, chosen)
    return weights
