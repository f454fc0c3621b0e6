"""Where a learning curve will end: a weighted ensemble of parametric curves (Domhan, Springenberg & Hutter 2015).

Instead of their Markov chain, each curve's linear parameters are integrated exactly (Bayesian linear regression with
unknown noise) and its few others are laid on a grid: tens of thousands of members, each weighed by how well it explains
the observed values, with nothing random in it. The prediction is their mixture. Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
from scipy import optimize, special

from nas_steps.errors import exact, known
from nas_steps.estimation.curve_families import Array, Schedule, courses, families
from nas_steps.facts import FEWEST_FINISHED, FEWEST_OBSERVED

#: a curve counts for no more than so many independent points: no family is true, so residuals are alike from epoch to
#: epoch and many of them would feign certainty (the coarsened posterior of Miller & Dunson 2019)
POINTS_AT_MOST = 20.0
#: members that the prediction keeps
MEMBERS = 500
#: weight, of the best's 1, from which a member matters
NEGLIGIBLE = 1e-7
#: smallest noise that is believed: one image in ten thousand
LEAST_NOISE = 1e-4
#: a curve has collapsed if so many of its last values are below half of its best
COLLAPSED = 3


@dataclass(frozen=True)
class Prediction:
    """The validation accuracy at `horizon`, a share: a mixture of Student's t distributions, cut off at 0 and 1.

    `low` and `high` bound the central interval of probability `coverage` for the value that would be measured there,
    noise included; `mean` is the mean of the members, each cut off to [0, 1].
    """

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
    """The value at epoch `horizon` of a curve whose values after epochs 1, 2, ... (shares, not %) are `curve`.

    `schedule` is the learning rate's: a "cosine" that falls to 0 at the horizon lifts the end of a curve far above what
    its beginning shows; "unknown" holds both for equally likely, and its interval is as wide as that. A ValueError for
    fewer than 4 values, values that are no number or not in [0, 1], or a horizon that is not beyond the curve.
    """
    values = _checked(curve, horizon, coverage)
    known("schedule", schedule, get_args(Schedule))
    mixture = _stuck(values) or _fitted(values, horizon, schedule)
    weights, centres, _, _ = mixture

    def quantile(probability: float) -> float:
        if _above(0.0, *mixture) <= 1 - probability:
            return 0.0
        if _above(1.0, *mixture) >= 1 - probability:
            return 1.0
        return optimize.brentq(lambda x: _above(x, *mixture) - (1 - probability), 0.0, 1.0, xtol=1e-7)

    return Prediction(
        horizon,
        float(weights @ np.clip(centres, 0, 1)),
        quantile((1 - coverage) / 2),
        quantile((1 + coverage) / 2),
        coverage,
        *mixture,
    )


def calibrated(prediction: Prediction, residuals: Sequence[float]) -> Prediction:
    """The same prediction, corrected by what became of others of the same experiment: `residuals` are true ends minus
    predicted means of trainings that were followed to their end, three or more.

    Residuals of one experiment are alike, since its networks share data and recipe: their mean is the prediction's
    bias, and a new one is as far from it as a normal variable of unknown variance, which is Student's t. Raises
    ValueError for fewer than three residuals, or one that is no number.
    """
    found = np.asarray(residuals, dtype=np.float64)
    if len(found) < FEWEST_FINISHED or not np.isfinite(found).all():
        raise ValueError(f"{FEWEST_FINISHED} or more residuals are needed, all of them numbers; given {found.tolist()}")
    freedom = len(found) - 1.0
    centre = float(np.clip(prediction.mean + found.mean(), 0, 1))
    scale = max(float(found.std(ddof=1)), LEAST_NOISE) * math.sqrt(1 + 1 / len(found))
    half = scale * float(special.stdtrit(freedom, (1 + prediction.coverage) / 2))
    return Prediction(
        prediction.horizon,
        centre,
        max(0.0, centre - half),
        min(1.0, centre + half),
        prediction.coverage,
        np.ones(1),
        np.array([centre]),
        np.array([scale]),
        freedom,
    )


def worth_going_on(prediction: Prediction, incumbent: float, threshold: float = 0.05) -> bool:
    """Whether P(beating the incumbent) is at least `threshold`: the predictive termination of Domhan et al. 2015."""
    if not 0 <= threshold <= 1:
        raise ValueError(f"the threshold is a probability between 0 and 1; given {threshold!r}")
    return prediction.probability_above(incumbent) >= threshold


def _checked(curve: Sequence[float], horizon: int, coverage: float) -> Array:
    values = np.asarray(curve, dtype=np.float64)
    if values.ndim != 1 or len(values) < FEWEST_OBSERVED:
        raise ValueError(
            f"a curve of {values.size} values cannot be extrapolated: at least {FEWEST_OBSERVED} epochs are needed"
        )
    if not np.isfinite(values).all():
        epoch = int(np.flatnonzero(~np.isfinite(values))[0]) + 1
        raise ValueError(f"epoch {epoch} of the curve is {values[epoch - 1]}: a diverged training has no prediction")
    if values.min() < 0 or values.max() > 1:
        epoch = int(np.flatnonzero((values < 0) | (values > 1))[0]) + 1
        raise ValueError(
            f"epoch {epoch} of the curve is {exact(values[epoch - 1])}; accuracies are shares from 0 to 1 "
            "(divide % by 100)"
        )
    if horizon <= len(values):
        raise ValueError(
            f"the horizon, epoch {horizon}, is not beyond the curve, which has {len(values)} epochs already"
        )
    if not 0 < coverage < 1:
        raise ValueError(f"coverage is the interval's probability, between 0 and 1; given {coverage!r}")
    return values


Mixture = tuple[Array, Array, Array, float]


def _above(threshold: float, weights: Array, centres: Array, scales: Array, freedom: float) -> float:
    return float(weights @ special.stdtr(freedom, (centres - threshold) / scales))


def _stuck(values: Array) -> Mixture | None:
    """The mixture for a curve that shows no learning at all, or whose training collapsed; None for any other.

    It stays where it is, but for the chance 1 / (epochs there + 2) (Laplace's rule of succession) that it goes anywhere
    up to the best it had, or to 1 where it never moved.
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
    """The standard deviation from epoch to epoch, robustly, from second differences of the later half."""
    second = np.diff(values, 2)[-max(len(values) // 2, 3) :] / math.sqrt(6)
    return max(1.4826 * float(np.median(np.abs(second))), LEAST_NOISE)


def _fitted(values: Array, horizon: int, schedule: Schedule) -> Mixture:
    """The mixture of all members: each family's shape along each course.

    A member is linear in c and a: value = factor (c - a g) + gain + noise. Their prior is normal, c around 0.5 by 0.3
    and a around 0 by 1; the noise's variance has an inverse gamma prior around what differences tell. All arrays below
    are (shapes, courses) or (courses,); a 2 x 2 system is solved for each by Cramer's rule.
    """
    noise = _noise(values)
    trust = POINTS_AT_MOST / (POINTS_AT_MOST + len(values))
    names, shapes = families(np.append(np.arange(1.0, len(values) + 1), horizon), horizon)
    possible = courses(len(values), horizon, noise, schedule)
    factor = np.array([course.factor for course in possible])
    gain = np.array([course.gain for course in possible])
    size = np.array([course.noise for course in possible])
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
    """MEMBERS members of equal weight that stand for all: at even steps of the weight, in order of centres."""
    some = np.flatnonzero(weights > NEGLIGIBLE)
    order = some[np.argsort(centres[some], kind="stable")]
    reached = np.cumsum(weights[order])
    steps = (np.arange(MEMBERS) + 0.5) / MEMBERS * reached[-1]
    chosen = order[np.searchsorted(reached, steps)]
    return np.full(MEMBERS, 1 / MEMBERS), centres[chosen], scales[chosen]
