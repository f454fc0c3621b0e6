"""Predict the end of a learning curve by an ensemble of curves (Domhan, Springenberg & Hutter 2015). Needs no torch.

Instead of their Markov chain, linear parameters are integrated exactly (Bayesian linear regression with unknown noise)
and others laid on a grid. The prediction is the mixture, weighted by likelihood; nothing is random.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
from scipy import optimize, special

from nas_steps.errors import exact, known
from nas_steps.estimation.curve_families import Array, Schedule, courses, families
from nas_steps.facts import FEWEST_FINISHED, FEWEST_OBSERVED

#: largest number of independent points that a curve counts for: no family is true, so residuals are alike from epoch
#: to epoch (the coarsened posterior of Miller & Dunson 2019)
POINTS_AT_MOST = 20.0
#: members of a prediction
MEMBERS = 500
#: members with a smaller share of the best's weight are dropped
NEGLIGIBLE = 1e-7
#: smallest noise: one image in ten thousand
LEAST_NOISE = 1e-4
#: number of last values below half of the best that make a collapse
COLLAPSED = 3


@dataclass(frozen=True)
class Prediction:
    """The validation accuracy at `horizon`, a mixture of Student's t distributions, cut off at 0 and 1.

    `low` and `high` bound the central interval of probability `coverage`, noise included."""

    horizon: int
    mean: float
    low: float
    high: float
    coverage: float
    weights: Array = field(repr=False, compare=False)
    centres: Array = field(repr=False, compare=False)
    scales: Array = field(repr=False, compare=False)
    freedom: float = field(repr=False, compare=False)

    def probability_above(self, threshold: float) -> float:
        """P(value at the horizon > threshold)."""
        if math.isnan(threshold):
            raise ValueError("the threshold is NaN; it must be an accuracy between 0 and 1")
        if threshold < 0 or threshold >= 1:
            return float(threshold < 0)
        return _above(threshold, self.weights, self.centres, self.scales, self.freedom)


def extrapolate(
    curve: Sequence[float], horizon: int, *, coverage: float = 0.9, schedule: Schedule = "unknown"
) -> Prediction:
    """Predict the value at epoch `horizon` of a `curve` of values, as shares, after epochs 1, 2, ...

    A "cosine" `schedule` falls to 0 at the horizon, which lifts the end; "unknown" holds both for equally likely.
    Raises ValueError for fewer than 4 values, values outside [0, 1], or a horizon that is not beyond the curve.
    """
    values = _checked(curve, horizon, coverage)
    known("schedule", schedule, get_args(Schedule))
    mixture = _stuck(values) or _fitted(values, horizon, schedule)
    mean = float(mixture[0] @ np.clip(mixture[1], 0, 1))

    def quantile(probability: float) -> float:
        if _above(0.0, *mixture) <= 1 - probability:
            return 0.0
        if _above(1.0, *mixture) >= 1 - probability:
            return 1.0
        return optimize.brentq(lambda x: _above(x, *mixture) - (1 - probability), 0.0, 1.0, xtol=1e-7)

    return Prediction(horizon, mean, quantile((1 - coverage) / 2), quantile((1 + coverage) / 2), coverage, *mixture)


def calibrated(prediction: Prediction, residuals: Sequence[float]) -> Prediction:
    """Correct a prediction by `residuals`: true ends minus predicted means of the experiment's finished trainings.

    Their mean is the prediction's bias, and a new one is Student's t around it: normal, of unknown variance. Raises
    ValueError for fewer than three residuals, or one that is no number.
    """
    given = np.asarray(residuals, dtype=np.float64)
    if len(given) < FEWEST_FINISHED or not np.isfinite(given).all():
        raise ValueError(f"{FEWEST_FINISHED} or more residuals are needed, all of them numbers; given {given.tolist()}")
    freedom = len(given) - 1.0
    centre = float(np.clip(prediction.mean + given.mean(), 0, 1))
    scale = max(float(given.std(ddof=1)), LEAST_NOISE) * math.sqrt(1 + 1 / len(given))
    half = scale * float(special.stdtrit(freedom, (1 + prediction.coverage) / 2))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    mixture = (np.ones(1), np.array([centre]), np.array([scale]), freedom)
    return Prediction(prediction.horizon, centre, low, high, prediction.coverage, *mixture)


def worth_going_on(prediction: Prediction, incumbent: float, threshold: float = 0.05) -> bool:
    """Whether P(beating the incumbent) is at least `threshold`: the predictive termination of Domhan et al. 2015."""
    if not 0 <= threshold <= 1:
        raise ValueError(f"the threshold is a probability between 0 and 1; given {threshold!r}")
    return prediction.probability_above(incumbent) >= threshold


def _checked(curve: Sequence[float], horizon: int, coverage: float) -> Array:
    values = np.asarray(curve, dtype=np.float64)
    if values.ndim != 1 or len(values) < FEWEST_OBSERVED:
        few = f"a curve of {values.size} values cannot be extrapolated"
        raise ValueError(f"{few}: at least {FEWEST_OBSERVED} epochs are needed")
    if not np.isfinite(values).all():
        epoch = int(np.flatnonzero(~np.isfinite(values))[0]) + 1
        raise ValueError(f"epoch {epoch} of the curve is {values[epoch - 1]}: a diverged training has no prediction")
    if values.min() < 0 or values.max() > 1:
        epoch = int(np.flatnonzero((values < 0) | (values > 1))[0]) + 1
        value = f"epoch {epoch} of the curve is {exact(values[epoch - 1])}"
        raise ValueError(f"{value}; accuracies are shares from 0 to 1 (divide % by 100)")
    if horizon <= len(values):
        raise ValueError(f"the horizon, epoch {horizon}, is not beyond the curve, which has {len(values)} epochs")
    if not 0 < coverage < 1:
        raise ValueError(f"coverage is the interval's probability, between 0 and 1; given {coverage!r}")
    return values


Mixture = tuple[Array, Array, Array, float]


def _above(threshold: float, weights: Array, centres: Array, scales: Array, freedom: float) -> float:
    return float(weights @ special.stdtr(freedom, (centres - threshold) / scales))


def _stuck(values: Array) -> Mixture | None:
    """Return the mixture for a curve that shows no learning or has collapsed; None for any other.

    It stays, but for the chance 1 / (epochs there + 2) (Laplace's rule of succession) of going anywhere up to its best,
    or up to 1 if it never moved.
    """
    below = values < values.max() / 2
    there = len(values) if np.ptp(values) == 0 else int(np.argmin(below[::-1]))
    if there < COLLAPSED:
        return None
    tail = values[-there:]
    best = values.max() if there < len(values) else 1.0
    leaves = 1 / (there + 2)
    elsewhere = np.linspace(tail.mean(), best, 12)[1:-1]
    noise = max(float(tail.std(ddof=1)), LEAST_NOISE) * math.sqrt(1 + 1 / there)
    spread = max((best - tail.mean()) / 20, LEAST_NOISE)
    return (
        np.append(np.full(len(elsewhere), leaves / len(elsewhere)), 1 - leaves),
        np.append(elsewhere, tail.mean()),
        np.append(np.full(len(elsewhere), spread), noise),
        there - 1.0,
    )


def _noise(values: Array) -> float:
    """Estimate the standard deviation from epoch to epoch, robustly, from second differences of the later half."""
    second = np.diff(values, 2)[-max(len(values) // 2, 3) :] / math.sqrt(6)
    return max(1.4826 * float(np.median(np.abs(second))), LEAST_NOISE)


def _fitted(values: Array, horizon: int, schedule: Schedule) -> Mixture:
    """Return the mixture of all members: each family's shape along each course.

    A member is linear in c and a: value = factor (c - a g) + gain + noise. The priors are normal, c around 0.5 by 0.3
    and a around 0 by 1, and inverse gamma for the noise's variance. Arrays are (shapes, courses) or (courses,); each
    2 x 2 system is solved by Cramer's rule.
    """
    noise = _noise(values)
    trust = POINTS_AT_MOST / (POINTS_AT_MOST + len(values))
    names, shapes = families(np.append(np.arange(1.0, len(values) + 1), horizon), horizon)
    possible = courses(len(values), horizon, noise, schedule)
    factor, gain, size = (np.array([getattr(one, name) for one in possible]) for name in ("factor", "gain", "noise"))
    g, g_end = shapes[:, :-1], shapes[:, -1:]
    f, f_end = factor[:, :-1], factor[:, -1]
    rest, precision = values - gain[:, :-1], trust * size[:, :-1] ** -2.0

    # the posterior's precision and mean, in units of the noise's variance
    prior_c, prior_a = (noise / 0.3) ** 2, noise**2
    cc = (precision * f**2).sum(1) + prior_c
    ca = -(g @ (precision * f**2).T)
    aa = g**2 @ (precision * f**2).T + prior_a
    c_rest = (precision * f * rest).sum(1) + prior_c * 0.5
    a_rest = -(g @ (precision * f * rest).T)
    rest_rest = (precision * rest**2).sum(1) + prior_c * 0.5**2
    determinant = cc * aa - ca**2
    c = (aa * c_rest - ca * a_rest) / determinant
    a = (cc * a_rest - ca * c_rest) / determinant
    misfit = np.maximum(rest_rest - c * c_rest - a * a_rest, 0)
    half_freedom = 1.5 + trust * len(values) / 2
    beta = 1.5 * noise**2 + misfit / 2
    variance = beta / half_freedom

    # the value at the horizon
    x, y = f_end, -f_end * g_end
    centre = c * x + a * y + gain[:, -1]
    doubt = variance * (aa * x**2 - 2 * ca * x * y + cc * y**2) / determinant
    scale = np.sqrt(doubt + variance * size[:, -1] ** 2)

    # weights: prior, marginal likelihood, and that neither asymptote nor prediction leaves [0, 1]
    counts = {name: names.count(name) for name in names}
    prior = np.log([1 / counts[name] for name in names])[:, None] + np.log([course.probability for course in possible])
    explains = -trust * np.log(size[:, :-1]).sum(1) - np.log(determinant) / 2 - half_freedom * np.log(beta)
    c_doubt = np.sqrt(variance * aa / determinant)
    sensible = special.ndtr((1 - c) / c_doubt) - special.ndtr(-c / c_doubt)
    sensible = sensible * special.ndtr((1 - centre) / np.sqrt(doubt))
    tiny = np.finfo(np.float64).tiny
    logarithm = (prior + explains + np.log(np.maximum(sensible, tiny))).ravel()
    weights = np.exp(logarithm - logarithm.max())
    return *_thinned(weights, centre.ravel(), scale.ravel()), 2 * half_freedom


def _thinned(weights: Array, centres: Array, scales: Array) -> tuple[Array, Array, Array]:
    """Choose MEMBERS members of equal weight, at even distances of the cumulated weight in order of centres."""
    some = np.flatnonzero(weights > NEGLIGIBLE)
    order = some[np.argsort(centres[some], kind="stable")]
    cumulated = np.cumsum(weights[order])
    chosen = order[np.searchsorted(cumulated, (np.arange(MEMBERS) + 0.5) / MEMBERS * cumulated[-1])]
    return np.full(MEMBERS, 1 / MEMBERS), centres[chosen], scales[chosen]
