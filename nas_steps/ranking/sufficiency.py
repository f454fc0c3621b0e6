"""Simulate what choosing by an estimator costs: N candidates are drawn, the k best scored are trained.

- `copula`: Kendall's tau gives the correlation sin(pi tau / 2) of the normal variables under the ranks (Kruskal 1958)
- `pool`: draws known pairs of score and accuracy with replacement; a pool smaller than N lacks architectures at its top

Both share their random numbers and count the reference's noise as truth. Imports no torch.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import ndtr

from nas_steps.intervals import CONFIDENCE
from nas_steps.provenance.seeds import derive_seed
from nas_steps.ranking.correlation import FEWEST_FOR_TAU, Array, paired

REPEATS = 2000
KS = (1, 3, 10, 30)
#: resampled pools for an interval, the repeats of each, and the most random numbers in memory at once
RESAMPLES, REPEATS_EACH, CHUNK = 200, 100, 2_000_000
#: the share of candidates that are the true top, and the probability of a regret within the tolerance
TOP_SHARE, ASSURANCE = 0.01, 0.95

#: accuracies of normal draws (repeats, candidates), best scored first, from the normal scores and independent noise
Sampler = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Choice:
    """A choice among `candidates`: train the k best scored, for each of `ks`. Raises ValueError for an impossible one.

    `tolerance` is the regret allowed, in the accuracies' unit; `repeats` is the number of simulated searches.
    """

    candidates: int
    tolerance: float = 0.5
    ks: Sequence[int] = KS
    repeats: int = REPEATS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.candidates < 2:
            raise ValueError(f"{self.candidates} candidates leave no choice: at least 2 are needed")
        if wrong := [k for k in self.ks if not 1 <= k <= self.candidates]:
            raise ValueError(f"k is {wrong[0]}, but between 1 and all {self.candidates} candidates can be trained")
        _check_positive("tolerance", self.tolerance)


@dataclass(frozen=True)
class Simulated:
    """A simulated mean with its Monte-Carlo standard error; `low` and `high` span the input's uncertainty."""

    value: float
    error: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class TopK:
    """The k best scored. `regret`: best of all candidates less best of these; `regret_95`: its 95 % quantile."""

    k: int
    regret: Simulated
    regret_95: Simulated
    holds_top: Simulated


@dataclass(frozen=True)
class Prediction:
    """The result of choosing among `candidates`, by one predictor.

    accuracy: of the best scored, in the unit of the input
    percentile: the share of the other candidates that the best scored beats, ties counting half
    enough: the fewest to train so that the regret is within the tolerance with a probability of 95 %
    """

    predictor: str
    tau: float
    candidates: int
    repeats: int
    accuracy: Simulated
    percentile: Simulated
    top: tuple[TopK, ...]
    enough: Simulated
    note: str = ""


def from_tau(
    tau: float,
    choice: Choice,
    *,
    mean: float = 0.0,
    spread: float = 1.0,
    interval: tuple[float | None, float | None] = (None, None),
) -> Prediction:
    """Predict by the copula with normal accuracies. The ends of the interval of tau give those of the figures."""
    _check_positive("spread", spread)
    low, high = interval
    if not (tau if low is None else low) <= tau <= (tau if high is None else high):
        raise ValueError(f"tau is {tau}, which does not lie in its interval from {low} to {high}")

    def at(value: float) -> Prediction:
        return _predict("copula", copula(value, lambda z: mean + spread * z), value, choice)

    ends = [_values(at(value)) for value in interval if value is not None]
    return _spanned(at(tau), ends) if ends else at(tau)


def from_pool(scores: ArrayLike, reference: ArrayLike, choice: Choice) -> tuple[Prediction, Prediction]:
    """Predict by the copula with the pool's tau and distribution of accuracies, and by the pool itself.

    `scores` has the shape (architectures,) and `reference` (architectures,) or (architectures, seeds). Intervals are
    95 % percentile ones over RESAMPLES resampled pools. `note` says to read the pool if it has at least as many
    architectures as there are candidates, else the copula, which draws smoothly where a pool has gaps.
    """
    accuracy, fitness, _ = paired(reference, scores)
    n = len(accuracy)
    if n < FEWEST_FOR_TAU or np.ptp(stats.rankdata(fitness)) == 0 or np.ptp(accuracy) == 0:
        raise ValueError(
            f"a pool of {n} architectures with known scores and accuracies, of either at least two different values "
            f"and at least {FEWEST_FOR_TAU} architectures are needed"
        )
    what = "enough to draw from, so read `pool`" if n >= choice.candidates else "copies are drawn, so read `copula`"
    note = f"{n} architectures for {choice.candidates} candidates: {what}"
    tau = float(stats.kendalltau(fitness, accuracy).statistic)
    pools = [(fitness, accuracy, tau), *_resampled_pools(fitness, accuracy, choice.seed)]
    z, noise = next(_draws(replace(choice, repeats=REPEATS_EACH)))
    # the least and the largest that each figure can be
    least = [-math.inf, 0, 1, *[0, 0, 0] * len(choice.ks)]
    most = [math.inf, 1, choice.candidates, *[math.inf, math.inf, 1] * len(choice.ks)]

    def predict(name: str) -> Prediction:
        prediction = _predict(name, _MAKERS[name](*pools[0]), tau, choice)
        repeats = [_read(_MAKERS[name](*one)(z, noise), choice) for one in pools]
        shown = [_values(_summary(name, one, tau, choice)) for one in repeats]
        span = np.quantile(shown[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
        # all resamples share their few draws: the interval also spans the figures less the error of these, seen on the
        # pool itself, and is never tighter than the simulation's own error
        moved = span - shown[0] + _values(prediction)
        own = np.array(_values(prediction)) + np.outer([-2, 2], [one.error for one in _figures(prediction)])
        return replace(_spanned(prediction, np.clip([*span, *moved, *own], least, most)), note=note)

    return predict("copula"), predict("pool")


def copula(tau: float, quantile: Callable[[Array], Array]) -> Sampler:
    """Return a sampler of accuracies `quantile(g)`: normal g correlate with the scores by sin(pi tau / 2)."""
    if not -1 <= tau <= 1:
        raise ValueError(f"tau is {tau}, but Kendall's tau lies between -1 and 1")
    rho = math.sin(math.pi / 2 * tau)
    other = math.sqrt(max(0.0, 1 - rho * rho))
    return lambda z, noise: quantile(rho * z + other * noise)


def empirical(accuracies: Array) -> Callable[[Array], Array]:
    """Return the quantile of a normal draw in a pool: linear between its members, never beyond its best and worst."""
    known = np.sort(accuracies)
    last = len(known) - 1
    steps = np.append(np.diff(known), 0.0)

    def quantile(z: Array) -> Array:
        # several times as fast as np.interp, since the known places are whole numbers
        place = np.clip(ndtr(z) * len(known) - 0.5, 0, last)
        whole = place.astype(int)
        return known[whole] + (place - whole) * steps[whole]

    return quantile


def pool(scores: Array, accuracies: Array) -> Sampler:
    """Return a sampler of pairs from a pool: scores pick the place, the noise one of several equal scores."""
    order = np.lexsort((accuracies, scores))
    known, n = accuracies[order], len(order)
    _, starts, group, sizes = np.unique(scores[order], return_index=True, return_inverse=True, return_counts=True)
    told_apart = (known[starts] != known[starts + sizes - 1]).any()

    def draw(z: Array, noise: Array) -> Array:
        place = np.minimum((ndtr(z) * n).astype(int), n - 1)
        if told_apart:
            tie = group[place]
            place = starts[tie] + np.minimum((ndtr(noise) * sizes[tie]).astype(int), sizes[tie] - 1)
        return known[place]

    return draw


#: by predictor: a sampler from scores, accuracies and tau of a pool
_MAKERS: dict[str, Callable[[Array, Array, float], Sampler]] = {
    "copula": lambda _, accuracy, tau: copula(tau, empirical(accuracy)),
    "pool": lambda fitness, accuracy, _: pool(fitness, accuracy),
}


def _check_positive(name: str, value: float) -> None:
    if not (value >= 0 and math.isfinite(value)):
        raise ValueError(f"{name} is {value}, but must be at least 0")


def _draws(choice: Choice) -> Iterator[tuple[Array, Array]]:
    """Yield normal scores, largest first, and noise: arrays (rows, candidates) until all repeats are drawn."""
    generator = np.random.default_rng(derive_seed(choice.seed, "sufficiency", choice.candidates, choice.repeats))
    most = max(1, CHUNK // choice.candidates)
    for start in range(0, choice.repeats, most):
        shape = min(most, choice.repeats - start), choice.candidates
        z = generator.standard_normal(shape)
        z.sort(axis=1)
        yield z[:, ::-1], generator.standard_normal(shape)


def _read(accuracies: Array, choice: Choice) -> dict[str, Array]:
    """Read each repeat: (repeats,) arrays, and `regret` of the shape (repeats, len(ks))."""
    candidates = accuracies.shape[1]
    pick = accuracies[:, :1]
    beaten = (accuracies < pick).sum(1) + 0.5 * ((accuracies == pick).sum(1) - 1)
    leading = np.maximum.accumulate(accuracies, axis=1)
    best = leading[:, -1:]
    few = max(1, math.ceil(TOP_SHARE * candidates))
    worst_of_top = np.partition(accuracies, candidates - few, axis=1)[:, candidates - few, None]
    return {
        "accuracy": pick[:, 0],
        "percentile": beaten / (candidates - 1),
        "regret": best - leading[:, np.asarray(choice.ks) - 1],
        "needed_for_top": 1 + (accuracies >= worst_of_top).argmax(1),
        "enough": 1 + (leading >= best - choice.tolerance).argmax(1),
    }


def _predict(name: str, sampler: Sampler, tau: float, choice: Choice) -> Prediction:
    chunks = [_read(sampler(z, noise), choice) for z, noise in _draws(choice)]
    return _summary(name, {key: np.concatenate([one[key] for one in chunks]) for key in chunks[0]}, tau, choice)


def _summary(name: str, shown: dict[str, Array], tau: float, choice: Choice) -> Prediction:
    best, enough = (_mean(shown["accuracy"]), _mean(shown["percentile"])), _quantile(shown["enough"])
    top = tuple(
        TopK(k, _mean(regret), _quantile(regret), _mean((shown["needed_for_top"] <= k).astype(float)))
        for k, regret in zip(choice.ks, shown["regret"].T, strict=True)
    )
    return Prediction(name, tau, choice.candidates, len(shown["accuracy"]), *best, top, enough)


def _mean(values: Array) -> Simulated:
    return Simulated(float(values.mean()), float(values.std() / math.sqrt(len(values))))


def _quantile(values: Array) -> Simulated:
    """Return the smallest value that 95 % of the repeats do not exceed; its error is half of a 68 % interval."""
    ordered = np.sort(values)
    last = len(ordered) - 1
    low, high = stats.binom.ppf(ndtr([-1.0, 1.0]), len(ordered), ASSURANCE).astype(int)
    value = ordered[min(last, math.ceil(ASSURANCE * len(ordered)) - 1)]
    return Simulated(float(value), float(ordered[min(last, high)] - ordered[max(0, min(last, low - 1))]) / 2)


def _resampled_pools(fitness: Array, accuracy: Array, seed: int) -> Iterator[tuple[Array, Array, float]]:
    """Yield score, accuracy and tau of pools drawn with replacement; skip a pool without an order."""
    generator = np.random.default_rng(derive_seed(seed, "sufficiency pools", len(fitness)))
    for _ in range(RESAMPLES):
        chosen = generator.integers(0, len(fitness), len(fitness))
        tau = stats.kendalltau(fitness[chosen], accuracy[chosen]).statistic
        if math.isfinite(tau):
            yield fitness[chosen], accuracy[chosen], float(tau)


def _figures(prediction: Prediction) -> list[Simulated]:
    of_ks = [figure for one in prediction.top for figure in (one.regret, one.regret_95, one.holds_top)]
    return [prediction.accuracy, prediction.percentile, prediction.enough, *of_ks]


def _values(prediction: Prediction) -> list[float]:
    return [figure.value for figure in _figures(prediction)]


def _spanned(prediction: Prediction, others: ArrayLike) -> Prediction:
    """Make the least and the largest of `others`, shape (others, figures), the figures' `low` and `high`."""
    columns = np.asarray(others, dtype=float)
    spans = zip(_figures(prediction), columns.min(0).tolist(), columns.max(0).tolist(), strict=True)
    accuracy, percentile, enough, *rest = (replace(figure, low=low, high=high) for figure, low, high in spans)
    top = tuple(TopK(one.k, *rest[3 * place : 3 * place + 3]) for place, one in enumerate(prediction.top))
    return replace(prediction, accuracy=accuracy, percentile=percentile, enough=enough, top=top)
