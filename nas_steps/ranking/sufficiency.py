"""Is this rank correlation enough? What choosing by an estimator costs, foretold by simulation.

N candidates are drawn, the estimator orders them, the k best scored are trained. Two predictors read the same random
numbers:

- `copula`: score and accuracy are normal under their ranks, with the correlation rho = sin(pi tau / 2) that belongs to
  Kendall's tau (Kruskal 1958); accuracies are normal with a mean and spread, or have the distribution of a pool.
- `pool`: pairs of score and accuracy are drawn with replacement from a pool for which both are known. It assumes
  nothing, but a pool smaller than N has too few architectures at its upper end: the drawn ones are copies.

Accuracies are those of the reference: its noise counts as truth. Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import ndtr

from nas_steps.intervals import CONFIDENCE
from nas_steps.provenance.seeds import derive_seed
from nas_steps.ranking.correlation import FEWEST_FOR_TAU, Array, paired

REPEATS = 2000
#: of a pool, for intervals, and the repeats for each
RESAMPLES, REPEATS_EACH = 200, 100
#: so many random numbers are held at once
CHUNK = 2_000_000
#: a true top architecture is one of the best 1 % of the candidates
TOP_SHARE = 0.01
#: with this probability the regret is to be within the tolerance
ASSURANCE = 0.95

#: accuracies of normal draws (repeats, candidates), best scored first, from the normal scores and independent noise
Sampler = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Estimate:
    """A simulated mean with its Monte-Carlo standard error; `low` and `high` span what is uncertain in the input."""

    value: float
    error: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class TopK:
    """Training the k best scored. `regret`: best of all candidates less best of these; `regret_95`: exceeded by 5 %."""

    k: int
    regret: Estimate
    regret_95: Estimate
    holds_top: Estimate


@dataclass(frozen=True)
class Prediction:
    """What choosing among `candidates` by the estimator gives, by one predictor.

    accuracy: of the best scored, in the unit of the input
    percentile: the share of the other candidates that the best scored beats, ties counting half
    top: for each k, the regret and the probability to hold one of the best 1 % of the candidates
    enough: the fewest to train so that the regret is within the tolerance with a probability of 95 %
    """

    predictor: str
    tau: float
    candidates: int
    repeats: int
    accuracy: Estimate
    percentile: Estimate
    top: tuple[TopK, ...]
    enough: Estimate
    note: str = ""


# ------------------------------------------------------------------------------------------- the two predictors


def from_tau(
    tau: float,
    candidates: int,
    mean: float = 0.0,
    spread: float = 1.0,
    low: float | None = None,
    high: float | None = None,
    tolerance: float = 0.5,
    ks: Sequence[int] = (1, 3, 10, 30),
    repeats: int = REPEATS,
    seed: int = 0,
) -> Prediction:
    """By the copula with normal accuracies; `low` and `high` are the interval of tau and give the figures theirs.

    `spread` is the standard deviation of the candidates' accuracies, `tolerance` the regret allowed, in its unit.
    """
    _check(candidates, ks, spread=spread, tolerance=tolerance)
    if not (tau if low is None else low) <= tau <= (tau if high is None else high):
        raise ValueError(f"tau is {tau}, which does not lie in its interval from {low} to {high}")

    def normal(z: Array) -> Array:
        return mean + spread * z

    def at(value: float) -> Prediction:
        sampler = copula(value, normal)
        return _predict("copula", sampler, value, candidates, ks, tolerance, repeats, seed)

    ends = [at(value) for value in (low, high) if value is not None]
    return _spanned(at(tau), [_figures(end) for end in ends]) if ends else at(tau)


def from_pool(
    scores: ArrayLike,
    reference: ArrayLike,
    candidates: int,
    tolerance: float = 0.5,
    ks: Sequence[int] = (1, 3, 10, 30),
    repeats: int = REPEATS,
    seed: int = 0,
    intervals: bool = True,
) -> tuple[Prediction, Prediction]:
    """By the copula with the pool's tau and distribution of accuracies, and by the pool itself.

    `scores` has the shape (architectures,) and `reference` (architectures,) or (architectures, seeds). Intervals are
    95 % percentile ones over RESAMPLES resampled pools: they hold the uncertainty of tau and of the distribution alike.
    `note` says which of the two to read: the pool where it has at least as many architectures as there are
    candidates, else the copula, which draws smoothly where a pool has gaps.
    """
    _check(candidates, ks, tolerance=tolerance)
    accuracy, fitness, _ = paired(reference, scores)
    n = len(accuracy)
    if n < FEWEST_FOR_TAU or np.ptp(stats.rankdata(fitness)) == 0 or np.ptp(accuracy) == 0:
        raise ValueError(
            f"a pool of {n} architectures with known scores and accuracies, of either at least two different values "
            f"and at least {FEWEST_FOR_TAU} architectures are needed"
        )
    what = "enough to draw from, so read `pool`" if n >= candidates else "copies are drawn, so read `copula`"
    note = f"{n} architectures for {candidates} candidates: {what}"
    makers: dict[str, Callable[[Array, Array, float], Sampler]] = {
        "copula": lambda _, accuracy, tau: copula(tau, empirical(accuracy)),
        "pool": lambda fitness, accuracy, _: pool(fitness, accuracy),
    }
    tau = float(stats.kendalltau(fitness, accuracy).statistic)
    samples = list(_resampled_pools(fitness, accuracy, seed)) if intervals else []
    found = []
    for name, maker in makers.items():
        prediction = _predict(name, maker(fitness, accuracy, tau), tau, candidates, ks, tolerance, repeats, seed)
        if intervals:
            z, noise = next(_draws(candidates, REPEATS_EACH, seed))
            shown = [
                _figures(_summary(name, _read(maker(*sample)(z, noise), ks, tolerance), sample[2], candidates, ks))
                for sample in [(fitness, accuracy, tau), *samples]
            ]
            span = np.quantile(shown[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
            # all resamples share their few draws: the interval also spans what is left when the error of these, seen
            # on the pool itself, is taken off, and is never tighter than the simulation's own error
            moved = span - shown[0] + _figures(prediction)
            own = np.array(_figures(prediction)) + np.outer([-2, 2], _figures(prediction, "error"))
            prediction = _spanned(prediction, np.clip([*span, *moved, *own], *_constraints(candidates, len(ks))))
        found.append(replace(prediction, note=note))
    return found[0], found[1]


def copula(tau: float, quantile: Callable[[Array], Array]) -> Sampler:
    """Accuracies `quantile(g)` of normal g that correlate with the normal scores by sin(pi tau / 2)."""
    if not -1 <= tau <= 1:
        raise ValueError(f"tau is {tau}, but Kendall's tau lies between -1 and 1")
    rho = math.sin(math.pi / 2 * tau)
    other = math.sqrt(max(0.0, 1 - rho * rho))
    return lambda z, noise: quantile(rho * z + other * noise)


def empirical(accuracies: Array) -> Callable[[Array], Array]:
    """The quantile of a normal draw in a pool, linear between its members and never beyond its best and worst."""
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
    """Pairs drawn from a pool: the normal scores pick the place by score, the noise the one of several equal scores."""
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


# ------------------------------------------------------------------------------------------- reading simulations


def _check(candidates: int, ks: Sequence[int], **positive: float) -> None:
    if candidates < 2:
        raise ValueError(f"{candidates} candidates leave no choice: at least 2 are needed")
    for k in ks:
        if not 1 <= k <= candidates:
            raise ValueError(f"k is {k}, but between 1 and all {candidates} candidates can be trained")
    for name, value in positive.items():
        if not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"{name} is {value}, but must be at least 0")


def _draws(candidates: int, repeats: int, seed: int) -> Any:
    """Normal scores, largest first, and noise: arrays (part of the repeats, candidates) until all repeats are drawn."""
    generator = np.random.default_rng(derive_seed(seed, "sufficiency", candidates, repeats))
    rows = max(1, CHUNK // candidates)
    while repeats > 0:
        part = min(rows, repeats)
        z = generator.standard_normal((part, candidates))
        z.sort(axis=1)
        yield z[:, ::-1], generator.standard_normal((part, candidates))
        repeats -= part


def _read(accuracies: Array, ks: Sequence[int], tolerance: float) -> dict[str, Array]:
    """What each repeat shows: (repeats,) arrays, and `regret` of the shape (repeats, len(ks))."""
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
        "regret": best - leading[:, np.asarray(ks) - 1],
        "needed_for_top": 1 + (accuracies >= worst_of_top).argmax(1),
        "enough": 1 + (leading >= best - tolerance).argmax(1),
    }


def _predict(
    name: str,
    sampler: Sampler,
    tau: float,
    candidates: int,
    ks: Sequence[int],
    tolerance: float,
    repeats: int,
    seed: int,
) -> Prediction:
    parts = [_read(sampler(z, noise), ks, tolerance) for z, noise in _draws(candidates, repeats, seed)]
    shown = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    return _summary(name, shown, tau, candidates, ks)


def _summary(name: str, shown: dict[str, Array], tau: float, candidates: int, ks: Sequence[int]) -> Prediction:
    top = tuple(
        TopK(
            k,
            _mean(shown["regret"][:, place]),
            _quantile(shown["regret"][:, place]),
            _mean((shown["needed_for_top"] <= k).astype(float)),
        )
        for place, k in enumerate(ks)
    )
    return Prediction(
        predictor=name,
        tau=tau,
        candidates=candidates,
        repeats=len(shown["accuracy"]),
        accuracy=_mean(shown["accuracy"]),
        percentile=_mean(shown["percentile"]),
        top=top,
        enough=_quantile(shown["enough"]),
    )


def _mean(values: Array) -> Estimate:
    return Estimate(float(values.mean()), float(values.std() / math.sqrt(len(values))))


def _quantile(values: Array) -> Estimate:
    """The smallest value that 95 % of the repeats do not exceed; its error is half of a 68 % order-statistic interval.

    The regret is never larger for a larger k, so the 95 % quantile of the fewest needed is the fewest for 95 %.
    """
    ordered = np.sort(values)
    last = len(ordered) - 1
    low, high = stats.binom.ppf(ndtr([-1.0, 1.0]), len(ordered), ASSURANCE).astype(int)
    value = ordered[min(last, math.ceil(ASSURANCE * len(ordered)) - 1)]
    return Estimate(float(value), float(ordered[min(last, high)] - ordered[max(0, min(last, low - 1))]) / 2)


def _resampled_pools(fitness: Array, accuracy: Array, seed: int) -> Any:
    """Score, accuracy and tau of pools of the same size drawn with replacement; those without an order are skipped."""
    generator = np.random.default_rng(derive_seed(seed, "sufficiency pools", len(fitness)))
    for _ in range(RESAMPLES):
        chosen = generator.integers(0, len(fitness), len(fitness))
        tau = stats.kendalltau(fitness[chosen], accuracy[chosen]).statistic
        if math.isfinite(tau):
            yield fitness[chosen], accuracy[chosen], float(tau)


def _figures(prediction: Prediction, what: str = "value") -> list[float]:
    """All values (or errors) in one order, for intervals over several predictions."""
    found = [prediction.accuracy, prediction.percentile, prediction.enough]
    for top in prediction.top:
        found += [top.regret, top.regret_95, top.holds_top]
    return [getattr(estimate, what) for estimate in found]


def _constraints(candidates: int, ks: int) -> tuple[list[float], list[float]]:
    """The least and the largest that each of `_figures` can be."""
    return [-math.inf, 0, 1, *[0] * 3 * ks], [math.inf, 1, candidates, *[math.inf, math.inf, 1] * ks]


def _spanned(prediction: Prediction, others: ArrayLike) -> Prediction:
    """The prediction with the least and the largest of `others`, shape (others, figures), as `low` and `high`."""
    columns = np.asarray(others, dtype=float)
    spans = zip(columns.min(0).tolist(), columns.max(0).tolist(), strict=True)

    def with_span(estimate: Estimate) -> Estimate:
        low, high = next(spans)
        return replace(estimate, low=low, high=high)

    return replace(
        prediction,
        accuracy=with_span(prediction.accuracy),
        percentile=with_span(prediction.percentile),
        enough=with_span(prediction.enough),
        top=tuple(
            TopK(top.k, with_span(top.regret), with_span(top.regret_95), with_span(top.holds_top))
            for top in prediction.top
        ),
    )
