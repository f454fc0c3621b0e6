"""Statistics of differences between accuracies: parts of variance, their interval and test.

A difference has up to three errors:

- searches: another run of a strategy ends in another network; the sample variance between its winners' means
- trainings: another seed ends in another accuracy; the variance within entries, pooled over them (`Pool`)
- test images: other images; the variance over images of the difference in correct predictions, from the predictions

With another metric than accuracy, an image's contribution to the metric takes the place of whether it is right: their
mean is the figure, and their variance gives its error to first order (`metrics.contributions`).

Nothing is paired over training seeds: no common effect of a seed was seen between architectures, and a paired test has
2 degrees of freedom at 3 seeds. Pooled over 6 entries there are 12. The price is an assumption: the accuracies of all
networks vary alike between trainings. Imports no torch.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from nas_steps.intervals import CONFIDENCE, holm
from nas_steps.metrics import Smoothing

ALPHA = 0.05
#: uniformly drawn networks that a claim needs
FEWEST_NETWORKS = 2
Array = np.ndarray[Any, np.dtype[np.float64]]


class Term(NamedTuple):
    """A part of a difference's variance, and the degrees of freedom of its estimate: infinite if it is known."""

    variance: float | Array
    df: float


@dataclass(frozen=True)
class Pool:
    """The variance of an accuracy between trainings of one network, pooled over networks with `df` in all.

    `interaction`: the variance of a training's correctness on an image beyond the effects of the training and of the
    image; 0 if no predictions are known.
    """

    variance: float
    df: int
    interaction: float


@dataclass(frozen=True)
class Side:
    """One side of a comparison: accuracies of its units, shape (..., n); leading axes are independent comparisons.

    - `variance`, `df`: of one unit, of the same shape without n; NaN and 0 if it is unknown
    - `source`: what the variance was estimated from; equal sources are one estimate
    - `correct`: the share of a unit's trainings that are right on each image, or the mean contribution of the image to
      their metric, shape (n, images); None if unknown
    - `interaction`: of units and images, as in `Pool`
    - `worth`: the most that one image can change a figure, in images; 1 for accuracy
    - `image_df`: degrees of freedom of the variance over images; text has few units, so that it is not known
    """

    units: Array
    variance: float | Array
    df: float
    source: str
    correct: Array | None = None
    interaction: float = 0.0
    worth: float = 1.0
    image_df: float = math.inf

    @property
    def n(self) -> int:
        return self.units.shape[-1]


class Difference(NamedTuple):
    """The first side's mean minus the second's with its 95 % interval and two-sided p-value; floats or arrays."""

    difference: Any
    low: Any
    high: Any
    p_value: Any


#: the columns of a difference, in shares of accuracy
FIGURES = Difference._fields


def replicated(
    units: ArrayLike,
    correct: Array | None = None,
    source: str = "",
    worth: float = 1.0,
    image_df: float = math.inf,
) -> Side:
    """Return the side of several searches or networks: their own sample variance counts."""
    values = np.asarray(units, dtype=float)
    n = values.shape[-1]
    variance = values.var(axis=-1, ddof=1) if n > 1 else np.full(values.shape[:-1], math.nan)
    return Side(values, variance, n - 1, source, correct, _interaction(correct), worth, image_df)


def network(
    trainings: ArrayLike,
    pool: Pool | None,
    correct: Array | None = None,
    source: str = "pool",
    worth: float = 1.0,
    image_df: float = math.inf,
) -> Side:
    """Return the side of one network: its units are its trainings, whose variance is that of `pool`."""
    values = np.asarray(trainings, dtype=float)
    if pool is None:
        return Side(values, math.nan, 0, source, correct, worth=worth, image_df=image_df)
    return Side(values, pool.variance, pool.df, source, correct, pool.interaction, worth, image_df)


def has_images(first: Side, second: Side) -> bool:
    """Return whether the predictions of both sides are known."""
    return first.correct is not None and second.correct is not None


def pooled(entries: Sequence[tuple[Sequence[float], Array | None]]) -> Pool | None:
    """Pool the variance within entries (accuracies of one's trainings, and which images each has right).

    None if no entry has two trainings.
    """
    squares = df = residuals = residual_df = 0.0
    for accuracies, correct in entries:
        n = np.shape(accuracies)[-1]
        if n < 2:
            continue
        squares, df = squares + (n - 1) * np.var(accuracies, axis=-1, ddof=1), df + n - 1
        if correct is not None:
            residuals, residual_df = residuals + (n - 1) * _interaction(correct), residual_df + n - 1
    if not df:
        return None
    return Pool(squares / df, int(df), residuals / residual_df if residual_df else 0.0)


def _interaction(correct: Array | None) -> float:
    """Return the residual variance of units and images after the effects of both."""
    if correct is None or min(correct.shape) < 2:
        return 0.0
    rest = correct - correct.mean(axis=1, keepdims=True) - correct.mean(axis=0) + correct.mean()
    return float((rest**2).sum() / ((correct.shape[0] - 1) * (correct.shape[1] - 1)))


def contrast(first: Side, second: Side, ratio: float = 1.0, more: Sequence[Term] = ()) -> Difference:
    """Return the mean of the first side minus `ratio` times that of the second; `more` are further parts of variance.

    Two sides of own variances and no images: Welch's (1947) test. A few searches against one network: see `interval`.
    If the variance between units is unknown, images alone count. Without any spread the interval is a point if both
    sides are equal; if not, it is unknown, and the p-value is that of the permutation test. NaN if no error is known.
    """
    difference = first.units.mean(axis=-1) - ratio * second.units.mean(axis=-1)
    image = images_error(first, second, ratio)
    terms = [*_between(first, second, ratio), *more, *([] if image is None else [image])]
    if not terms:
        return Difference(difference, *[np.full(np.shape(difference), math.nan)] * 3)
    # a spread of few searches beside a variance that is known well
    cautious = bool(more) or ("pool" in (first.source, second.source) and first.source != second.source)
    flat = sum(np.asarray(term.variance) for term in terms) == 0
    if image is not None and first.correct is not None and np.all(flat):
        # half an image that each side alone has right (Agresti & Min 2005): networks that never disagree may elsewhere
        image_error = max(first.worth, second.worth) / (first.correct.shape[1] + 2)
        terms, flat = [Term(image_error**2, math.inf)], np.asarray(False)
    result = interval(difference, terms, cautious)
    same = flat & (np.abs(difference) < 1e-12)
    permutation = min(1.0, 2 / math.comb(first.n + second.n, first.n))
    low, high = (np.where(same, 0.0, np.where(flat, math.nan, end)) for end in (result.low, result.high))
    p_value = np.where(same, 1.0, np.where(flat, permutation, result.p_value))
    if np.ndim(difference):
        return Difference(difference, low, high, p_value)
    return Difference(float(difference), float(low), float(high), float(p_value))


def _between(first: Side, second: Side, ratio: float) -> list[Term]:
    """Return the variance of the difference that units cause; what has one source is one term; none if unknown."""
    if not first.df and not second.df:
        return []
    if first.source == second.source:
        variance = first.variance if first.df else second.variance
        return [Term(variance * (1 / first.n + ratio**2 / second.n), max(first.df, second.df))]
    return [Term(first.variance / first.n, first.df), Term(ratio**2 * second.variance / second.n, second.df)]


def images_error(first: Side, second: Side, ratio: float = 1.0) -> Term | None:
    """Return the variance of a difference that the finite test set causes; None without predictions.

    The variance over images of the mean difference in correctness, over the number of images. The interaction of units
    and images is in the variance between units already and is subtracted.
    """
    if first.correct is None or second.correct is None:
        return None
    per_image = first.correct.mean(axis=0) - ratio * second.correct.mean(axis=0)
    interaction = first.interaction / len(first.correct) + ratio**2 * second.interaction / len(second.correct)
    images = len(per_image)
    variance = (float(per_image.var(ddof=1)) if images > 1 else 1.0) - interaction
    return Term(max(variance, 0.0) / images, min(first.image_df, second.image_df))


def interval(difference: Any, terms: Sequence[Term], cautious: bool = False) -> Difference:
    """Return the 95 % interval and the p-value of a difference whose variance is a sum of parts.

    Degrees of freedom by Satterthwaite (1946). He is liberal where a part with few of them is small by chance beside a
    part with many: up to twice the level at 4 searches. If `cautious`, the critical value is the mean of the parts'
    own, weighted by their variances (Cochran & Cox 1950). A part that is NaN leaves nothing known.
    """
    parts = [np.asarray(term.variance, dtype=float) for term in terms]
    # an estimate without a degree of freedom is none
    dfs = [term.df or math.nan for term in terms]
    total = np.asarray(sum(parts), dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(total)
        ratio = np.abs(difference) / error
        if cautious:
            weights = [part / total for part in parts]
            critical = _mean_quantile((1 + CONFIDENCE) / 2, weights, dfs)
            p_value = _two_sided(ratio, weights, dfs)
        else:
            df = total**2 / sum(part**2 / own for part, own in zip(parts, dfs, strict=True))
            critical, p_value = stdtrit(df, (1 + CONFIDENCE) / 2), 2 * stdtr(df, -ratio)
    return Difference(difference, difference - critical * error, difference + critical * error, p_value)


def _mean_quantile(level: float | Array, weights: Sequence[Array], dfs: Sequence[float]) -> Any:
    """Return the weighted mean of Student's quantiles."""
    return sum(weight * stdtrit(df, level) for weight, df in zip(weights, dfs, strict=True))


def _two_sided(ratio: Array, weights: Sequence[Array], dfs: Sequence[float]) -> Any:
    """Return the p-value at which the mean quantile is `ratio`, by bisection."""
    low, high = np.zeros_like(ratio), np.ones_like(ratio)
    for _ in range(50):
        middle = (low + high) / 2
        below = _mean_quantile(1 - middle / 2, weights, dfs) < ratio
        low, high = np.where(below, low, middle), np.where(below, middle, high)
    return np.where(np.isnan(ratio), math.nan, (low + high) / 2)


def accuracy(side: Side, smoothing: Smoothing | None = None) -> tuple[float, float]:
    """Return the 95 % interval of one network's accuracy over trainings and test images, cut off at 0 and 1.

    That of text is cut off at 0 alone.

    With predictions it is Agresti & Coull's (1998): two images that all trainings have right and two that all have
    wrong are added, since the plain interval covers too little near 1. Of another metric, `smoothing` says what as many
    images add, spread evenly over the classes. NaN if neither error is known.
    """
    mean, terms = float(side.units.mean()), []
    if side.df:
        terms.append(Term(side.variance / side.n, side.df))
    if side.correct is not None and smoothing is not None:
        per_image = side.correct.mean(axis=0)
        spread = float(per_image.var() if math.isinf(side.image_df) else per_image.var(ddof=1))
        plain = (spread - side.interaction / side.n) / len(per_image)
        mean += smoothing.shift
        terms.append(Term(max(0.0, plain + smoothing.variance), side.image_df))
    elif side.correct is not None:
        per_image = np.concatenate([side.correct.mean(axis=0), [0.0, 0.0, 1.0, 1.0]])
        variance = max(0.0, float(per_image.var()) - side.interaction / side.n)
        mean = float(per_image.mean())
        terms.append(Term(variance / len(per_image), math.inf))
    if not terms:
        return math.nan, math.nan
    if all(term.variance == 0 for term in terms):
        return mean, mean
    found = interval(mean, terms)
    # of minus the bits per byte, whose units are few, nothing is known beforehand but the sign
    least, most = (0.0, 1.0) if math.isinf(side.image_df) else (-math.inf, 0.0)
    return max(least, float(found.low)), min(most, float(found.high))


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
