"""Statistics of paired differences: one entry's accuracy minus another's after trainings with the same seed.

The interval is Student's t: up to 50 pairs no bootstrap covers better (`benchmarks/interval_coverage.py`). If the
studentised bootstrap (Efron & Tibshirani 1993, section 12.5) or the sign-flip test (Fisher 1935) disagrees, the
differences are not normal. Imports no torch.
"""

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

from nas_steps.intervals import holm, mean_interval, percentile_interval
from nas_steps.provenance.seeds import derive_seed

#: the fewest pairs for an interval, and for a studentised bootstrap, which covers too little below
FEWEST_PAIRS, FEWEST_FOR_BOOTSTRAP = 3, 5
#: up to this many pairs all sign flips are tried (65,536), beyond it FLIPS random ones
EXACT_PAIRS = 16
FLIPS = 100_000
RESAMPLES = 10_000
ALPHA = 0.05
POWER = 0.80
QUANTILES = 2000
#: differences whose spread is below this are the same for every seed
SAME = 1e-12

#: the columns of `paired`, in shares of accuracy if nothing else is said
PAIRED = (
    "difference", "low", "high", "p_value", "bootstrap_low", "bootstrap_high", "p_flips", "least_p_flips", "spread",
    "effect", "seeds_needed", "detectable", "note",
)  # fmt: skip


def paired(differences: Sequence[float]) -> dict[str, Any]:
    """Return the mean of paired differences with its statistics; NaN if `note` says why.

    low, high: 95 % t interval; bootstrap_low, bootstrap_high: the studentised bootstrap one
    p_value: of the two-sided paired t test
    p_flips: of the two-sided sign-flip test; least_p_flips: the smallest possible for this number of pairs
    spread: standard deviation of the differences; effect: Hedges' g, in such deviations
    seeds_needed: pairs for 80 % power if this difference and spread are the true ones; infinite for none
    detectable: the true difference that as many pairs with this spread show with 80 % power
    """
    n = len(differences)
    row: dict[str, Any] = dict.fromkeys(PAIRED, math.nan)
    if not differences:
        return row | {"note": "no pair of sound trainings"}
    row |= {"difference": fmean(differences), "least_p_flips": 2.0 ** (1 - n)}
    if n < FEWEST_PAIRS:
        return row | {"note": f"{n} of the {FEWEST_PAIRS} seeds that a claim needs"}
    if max(differences) - min(differences) < SAME:
        return row | {"note": "the difference is the same for every seed: its spread cannot be estimated"}
    interval = mean_interval(differences)
    spread = interval["std"]
    row |= {"low": interval["low"], "high": interval["high"], "spread": spread, "note": ""}
    row |= zip(("bootstrap_low", "bootstrap_high"), studentised_interval(differences), strict=True)
    row |= {"p_value": float(stats.ttest_1samp(differences, 0.0).pvalue), "p_flips": sign_flips(differences)}
    row |= {"effect": hedges(differences), "seeds_needed": seeds_needed(row["difference"] / spread)}
    return row | {"detectable": detectable(n) * spread}


def outcome(difference: float, p_holm: float) -> str:
    """Judge a comparison: beat, lost, tie, few (no p-value: too few units for a claim) or missing (no difference)."""
    if math.isnan(difference):
        return "missing"
    if math.isnan(p_holm):
        return "few"
    if p_holm >= ALPHA:
        return "tie"
    return "beat" if difference > 0 else "lost"


def adjust(rows: Sequence[dict[str, Any]], family: Sequence[str], **targets: str) -> None:
    """Add Holm's adjustment of p-values over all rows with the same `family` columns: p_value="p_holm"."""
    names = [tuple(row[key] for key in family) for row in rows]
    for name in dict.fromkeys(names):
        among = [row for row, own in zip(rows, names, strict=True) if own == name]
        for source, target in targets.items():
            for row, adjusted in zip(among, holm([row[source] for row in among]), strict=True):
                row[target] = adjusted


def caution(pairs: int, hypotheses: int = 1) -> str:
    """Say what this number of pairs cannot show; empty if it is enough for a claim without assumptions."""
    if pairs < FEWEST_PAIRS:
        return f"too few seeds for a claim: {pairs} of {FEWEST_PAIRS}"
    # the least p-value of the sign-flip test, times that of Holm's adjustment
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
    """Return the two-sided sign-flip p-value: exact up to EXACT_PAIRS, else Monte Carlo (Phipson & Smyth 2010)."""
    values = np.asarray(differences, dtype=float)
    # equal sums must count as equal, whatever the order of adding
    bar = abs(values.sum()) - 1e-9 * np.abs(values).sum()
    if len(values) <= EXACT_PAIRS:
        # the first sign stays: the mirrored pattern is as far from 0
        signs = np.array(list(product((1.0, -1.0), repeat=len(values) - 1)))
        return float(np.mean(np.abs(values[0] + signs @ values[1:]) >= bar))
    generator = np.random.default_rng(derive_seed(0, "sign flips", len(values)))
    signs = generator.choice((1.0, -1.0), (FLIPS, len(values)))
    return float((1 + np.sum(np.abs(signs @ values) >= bar)) / (1 + FLIPS))


def studentised_interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % studentised bootstrap interval of the mean; NaN for fewer than FEWEST_FOR_BOOTSTRAP values."""
    values = np.asarray(differences, dtype=float)
    n = len(values)
    if n < FEWEST_FOR_BOOTSTRAP:
        return math.nan, math.nan
    generator = np.random.default_rng(derive_seed(0, "bootstrap of differences", n))
    samples = values[generator.integers(0, n, (RESAMPLES, n))]
    spread = samples.std(axis=1, ddof=1)
    # a sample of one value only has no spread
    ratios = (samples.mean(axis=1) - values.mean())[spread > SAME] / spread[spread > SAME]
    low, high = percentile_interval(ratios)
    deviation = values.std(ddof=1)
    return float(values.mean() - high * deviation), float(values.mean() - low * deviation)


def hedges(differences: Sequence[float]) -> float:
    """Return Hedges' g: mean over standard deviation of the paired differences, without its bias for few (1981)."""
    half = (len(differences) - 1) / 2
    correction = math.exp(math.lgamma(half) - math.lgamma(half - 0.5)) / math.sqrt(half)
    return correction * fmean(differences) / stdev(differences)


def power(pairs: int, effect: float) -> float:
    """Return the power of the two-sided paired t test at a true `effect`, in standard deviations of the differences."""
    shift = abs(effect) * math.sqrt(pairs)
    # the mean over the measured standard deviation's quantiles: scipy's noncentral t is NaN for large effects
    bar = stats.t.ppf(1 - ALPHA / 2, pairs - 1) * _deviations(pairs)
    return float(np.mean(ndtr(shift - bar) + ndtr(-shift - bar)))


@cache
def _deviations(pairs: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return quantiles of the standard deviation of `pairs` standard normal values."""
    places = (np.arange(QUANTILES) + 0.5) / QUANTILES
    return np.sqrt(stats.chi2.ppf(places, pairs - 1) / (pairs - 1))


def seeds_needed(effect: float) -> float:
    """Return the fewest pairs with the power POWER at a true `effect` in deviations; infinite from a million on."""
    if effect == 0:
        return math.inf
    # the normal test needs a little fewer than the t test, and has no degrees of freedom
    pairs = max(2, math.floor((stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(POWER)) ** 2 / effect**2))
    while pairs < 1_000_000 and power(pairs, effect) < POWER:
        pairs += 1
    return float(pairs) if pairs < 1_000_000 else math.inf


@cache
def detectable(pairs: int) -> float:
    """Return the smallest true effect, in standard deviations, that `pairs` show with the power POWER."""
    return float(brentq(lambda effect: power(pairs, effect) - POWER, 0.0, 1000.0))


def best_weights(fitness: Sequence[float], chosen: int) -> list[float]:
    """Return each entry's probability to be the fittest of `chosen` random ones; of equals the earlier wins."""
    n = len(fitness)
    if not 1 <= chosen <= n:
        raise ValueError(f"{chosen} of {n} entries cannot be drawn")
    weights = [0.0] * n
    for place, index in enumerate(sorted(range(n), key=lambda index: (fitness[index], -index))):
        weights[index] = math.comb(place, chosen - 1) / math.comb(n, chosen)
    return weights
