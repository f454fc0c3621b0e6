"""Simulate what choosing by an estimator costs: of N candidates the k best scored are trained, and one is picked.

The pick has the best mean accuracy of a few noisy trainings; its regret is counted in expected accuracy.

- `copula`: Kendall's tau gives the correlation sin(pi tau / 2) of the normal variables under the ranks (Kruskal 1958)
- `pool`: draws known pairs of score and accuracy with replacement; a pool smaller than N lacks architectures at its top

`from_tau` gets all figures; `from_sample` draws them from their distribution given a sample. Imports no torch.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import ndtr

from nas_steps.errors import exact
from nas_steps.intervals import CONFIDENCE
from nas_steps.provenance.seeds import derive_seed
from nas_steps.ranking.correlation import FEWEST_FOR_TAU, Array, paired
from nas_steps.ranking.noise import Worlds, known_rows, noise_variance, posterior, raised, reliability

REPEATS = 2000
KS = (1, 3, 10, 30)
#: resampled pools for an interval, the repeats of each, and the most random numbers in memory at once
RESAMPLES, REPEATS_EACH, CHUNK = 200, 100, 2_000_000
#: worlds that a sample allows, a power of 2, and the repeats of each
WORLDS, REPEATS_A_WORLD = 128, 256
#: the share of candidates that are the true top, and the probability of a regret within the tolerance
TOP_SHARE, ASSURANCE = 0.01, 0.95

#: accuracies of normal draws (repeats, candidates), best scored first, from the normal scores and independent noise
Sampler = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Choice:
    """A choice among `candidates`: train the k best scored, for each of `ks`. Raises ValueError for an impossible one.

    `tolerance` is the regret allowed, in the accuracies' unit; `repeats` is the number of simulated searches; `seeds`
    is the number of trainings of each, whose mean accuracy is compared.
    """

    candidates: int
    tolerance: float = 0.5
    ks: Sequence[int] = KS
    repeats: int = REPEATS
    seed: int = 0
    seeds: int = 1

    def __post_init__(self) -> None:
        if self.candidates < 2:
            raise ValueError(f"{self.candidates} candidates leave no choice: at least 2 are needed")
        if wrong := [k for k in self.ks if not 1 <= k <= self.candidates]:
            raise ValueError(f"k is {wrong[0]}, but between 1 and all {self.candidates} candidates can be trained")
        if self.seeds < 1:
            raise ValueError(f"seeds is {self.seeds}, but each is trained at least once")
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
    """The k best scored are trained, and the best by mean accuracy is picked.

    regret: expected accuracy of the best of all candidates less that of the pick; regret_95: its 95 % quantile
    holds_top: the probability that one of the true top TOP_SHARE is among the k
    within: the probability that the regret is within the tolerance
    """

    k: int
    regret: Simulated
    regret_95: Simulated
    holds_top: Simulated
    within: Simulated


@dataclass(frozen=True)
class Prediction:
    """The result of choosing among `candidates`, by one predictor.

    accuracy: of the best scored, in the unit of the input
    percentile: the share of the other candidates that the best scored beats, ties counting half
    enough: the fewest to train so that the regret is within the tolerance with a probability of 95 %; NaN if no
        number of them is, since each further candidate is also a chance to pick wrongly
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
    noise: float = 0.0,
    interval: tuple[float | None, float | None] = (None, None),
) -> Prediction:
    """Predict by the copula with normal accuracies. The ends of the interval of tau give those of the figures.

    `tau` is that of score and expected accuracy, `spread` the standard deviation of the candidates' expected
    accuracies, and `noise` that of the trainings of one of them.
    """
    _check_positive("spread", spread)
    _check_positive("noise", noise)
    low, high = interval
    if not (tau if low is None else low) <= tau <= (tau if high is None else high):
        raise ValueError(f"tau is {tau}, which does not lie in its interval from {low} to {high}")

    def at(value: float) -> Prediction:
        return _predict("copula", copula(value, lambda z: mean + spread * z), value, choice, noise)

    ends = [_values(at(value)) for value in interval if value is not None]
    return _spanned(at(tau), ends) if ends else at(tau)


def from_sample(scores: ArrayLike, reference: ArrayLike, choice: Choice) -> Prediction:
    """Predict by the copula with normal accuracies of worlds drawn from their `posterior` given a uniform sample.

    `scores` has the shape (architectures,) and `reference` (architectures, seeds), at least 2 seeds. Each figure is
    that of all worlds together, so that it counts what the sample leaves open. Its interval holds 95 % of the worlds'.
    """
    worlds = posterior(scores, reference, WORLDS, choice.seed)
    choice = replace(choice, repeats=WORLDS * REPEATS_A_WORLD)
    chunks = [_read(accuracies, choice, luck) for accuracies, luck in _simulate(worlds, choice)]
    shown = {key: np.concatenate([one[key] for one in chunks]) for key in chunks[0]}
    means, fitness, _ = paired(reference, scores)
    variance, trainings = noise_variance(known_rows(scores, reference))
    # not a number if all means are equal
    tau = float(raised(stats.kendalltau(fitness, means).statistic, reliability(means, variance / trainings)))
    prediction = _summary("copula", shown, tau, choice)
    each = [
        _values(_summary("copula", {key: values[world::WORLDS] for key, values in shown.items()}, tau, choice))
        for world in range(WORLDS)
    ]
    ends = np.quantile(np.nan_to_num(each, nan=math.inf), _ENDS, axis=0, method="nearest")
    return _spanned(prediction, [*ends, np.nan_to_num(_values(prediction), nan=math.inf)])


def reach(worlds: Worlds, choice: Choice, most: int, seeds: Sequence[int]) -> Array:
    """Simulate the probability to be within the tolerance, shape (worlds, len(seeds), most), for k = 1 to `most`.

    It is that of `from_sample`, of the same random numbers, for other numbers of seeds. `choice.seeds` is not read.
    """
    once = replace(choice, seeds=1)
    count = len(worlds.noise)
    within = np.zeros((count, len(seeds), most))
    drawn = 0
    for accuracies, luck in _simulate(worlds, once):
        bar = accuracies.max(1, keepdims=True) - choice.tolerance
        of = np.arange(drawn, drawn + len(luck)) % count
        drawn += len(luck)
        for place, number in enumerate(seeds):
            picked = _picked(accuracies[:, :most], accuracies[:, :most] + luck[:, :most] / math.sqrt(number))
            np.add.at(within[:, place], of, picked >= bar)
    return within / (drawn / count)


def from_pool(
    scores: ArrayLike, reference: ArrayLike, choice: Choice, noise: float | None = None
) -> tuple[Prediction, Prediction]:
    """Predict by the copula with the pool's tau and distribution of accuracies, and by the pool itself.

    `scores` has the shape (architectures,) and `reference` (architectures,) or (architectures, seeds). `noise` is the
    standard deviation of the trainings of one architecture; None: measured if there are 2 seeds or more, else 0. The
    means of a `reference` of one column are those of `choice.seeds` trainings. Mean accuracies are drawn together to
    the spread of the expected ones, and the copula's tau is raised by the same reliability (Spearman 1904); the pool
    keeps the order that it measured, which is worse than the true one. Intervals are 95 % percentile ones over
    RESAMPLES resampled pools. `note` says to read the pool if it has at least as many architectures as there are
    candidates, else the copula, which draws smoothly where a pool has gaps.
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
    table = known_rows(scores, reference)
    if noise is not None:
        _check_positive("noise", noise)

    def measured(chosen: Array) -> tuple[tuple[Array, Array, float], float]:
        """Return scores, expected accuracies, tau and noise of some architectures."""
        variance, trainings = noise_variance(table[chosen])
        if noise is not None:
            variance, trainings = noise**2, trainings if table.shape[1] > 1 else float(choice.seeds)
        means = accuracy[chosen]
        share = reliability(means, variance / trainings)
        tau = float(stats.kendalltau(fitness[chosen], means).statistic)
        expected = means.mean() + math.sqrt(share) * (means - means.mean()) if share < 1 else means
        return (fitness[chosen], expected, float(raised(tau, share))), math.sqrt(variance)

    generator = np.random.default_rng(derive_seed(choice.seed, "sufficiency pools", n))
    pools = [measured(np.arange(n)), *(measured(generator.integers(0, n, n)) for _ in range(RESAMPLES))]
    # a resampled pool without an order has none
    pools = [one for one in pools if math.isfinite(one[0][2])]
    z, other, luck = next(_draws(replace(choice, repeats=REPEATS_EACH)))
    # the least and the largest that each figure can be
    least = [-math.inf, 0, 1, *[0, 0, 0, 0] * len(choice.ks)]
    most = [math.inf, 1, math.inf, *[math.inf, math.inf, 1, 1] * len(choice.ks)]

    def predict(name: str) -> Prediction:
        known, noise = pools[0]
        tau = known[2]
        prediction = _predict(name, _MAKERS[name](*known), tau, choice, noise)
        repeats = [
            _read(_MAKERS[name](*known)(z, other), choice, luck * own / math.sqrt(choice.seeds)) for known, own in pools
        ]
        shown = np.array([_values(_summary(name, one, tau, choice)) for one in repeats])
        if np.isnan(shown[:, _ENOUGH]).any() or math.isnan(prediction.enough.value):
            # a number that does not exist is above all others
            shown, own = np.nan_to_num(shown, nan=math.inf), np.nan_to_num(_values(prediction), nan=math.inf)
            span = np.quantile(shown[1:], _ENDS, axis=0, method="nearest")
            return replace(_spanned(prediction, np.clip([*span, own], least, most)), note=note)
        span = np.quantile(shown[1:], _ENDS, axis=0)
        # all resamples share their few draws: the interval also spans the figures less the error of these, seen on the
        # pool itself, and is never tighter than the simulation's own error
        moved = span - shown[0] + _values(prediction)
        errors = np.array(_values(prediction)) + np.outer([-2, 2], [one.error for one in _figures(prediction)])
        ends = np.clip([*span, *moved, *errors], least, most)
        ends[:, _ENOUGH] = np.minimum(ends[:, _ENOUGH], choice.candidates)
        return replace(_spanned(prediction, ends), note=note)

    return predict("copula"), predict("pool")


def copula(tau: float, quantile: Callable[[Array], Array]) -> Sampler:
    """Return a sampler of accuracies `quantile(g)`: normal g correlate with the scores by sin(pi tau / 2)."""
    if not -1 <= tau <= 1:
        raise ValueError(f"tau is {exact(tau)}, but Kendall's tau lies from -1 to 1; give --tau a value between them")
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


#: the quantiles of an interval, and the place of `enough` among the figures
_ENDS, _ENOUGH = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2), 2
#: by predictor: a sampler from scores, accuracies and tau of a pool
_MAKERS: dict[str, Callable[[Array, Array, float], Sampler]] = {
    "copula": lambda _, accuracy, tau: copula(tau, empirical(accuracy)),
    "pool": lambda fitness, accuracy, _: pool(fitness, accuracy),
}


def _check_positive(name: str, value: float) -> None:
    if not (value >= 0 and math.isfinite(value)):
        raise ValueError(f"{name} is {value}, but must be at least 0")


def _draws(choice: Choice) -> Iterator[tuple[Array, Array, Array]]:
    """Yield normal scores, largest first, and two kinds of noise: arrays (rows, candidates) until all repeats are."""
    generator = np.random.default_rng(derive_seed(choice.seed, "sufficiency", choice.candidates, choice.repeats))
    most = max(1, CHUNK // choice.candidates)
    for start in range(0, choice.repeats, most):
        shape = min(most, choice.repeats - start), choice.candidates
        z = generator.standard_normal(shape)
        z.sort(axis=1)
        yield z[:, ::-1], generator.standard_normal(shape), generator.standard_normal(shape)


def _simulate(worlds: Worlds, choice: Choice) -> Iterator[tuple[Array, Array]]:
    """Yield expected accuracies, best scored first, and the errors of their measured means, arrays (rows, candidates).

    The rows go through the worlds in turns.
    """
    drawn = 0
    for z, other, luck in _draws(choice):
        of = np.arange(drawn, drawn + len(z)) % len(worlds.noise)
        drawn += len(z)
        rho, mean, spread, noise = (
            values[of, None] for values in (worlds.correlation, worlds.mean, worlds.spread, worlds.noise)
        )
        accuracies = mean + spread * (rho * z + np.sqrt(1 - rho * rho) * other)
        yield accuracies, luck * (noise / math.sqrt(choice.seeds))


def _picked(accuracies: Array, measured: Array) -> Array:
    """Return the accuracy of the best measured among the first k of each row, shape as `accuracies`."""
    records = measured >= np.maximum.accumulate(measured, axis=1)
    places = np.maximum.accumulate(np.where(records, np.arange(measured.shape[1]), 0), axis=1)
    return np.take_along_axis(accuracies, places, axis=1)


def _read(accuracies: Array, choice: Choice, luck: Array | None = None) -> dict[str, Array]:
    """Read each repeat: (repeats,) arrays, `regret` (repeats, len(ks)) and `within` (repeats, candidates), by k.

    `luck` has the errors of the measured means; None: there are none.
    """
    candidates = accuracies.shape[1]
    first = accuracies[:, :1]
    beaten = (accuracies < first).sum(1) + 0.5 * ((accuracies == first).sum(1) - 1)
    best = accuracies.max(1, keepdims=True)
    picked = _picked(accuracies, accuracies if luck is None else accuracies + luck)
    few = max(1, math.ceil(TOP_SHARE * candidates))
    worst_of_top = np.partition(accuracies, candidates - few, axis=1)[:, candidates - few, None]
    return {
        "accuracy": first[:, 0],
        "percentile": beaten / (candidates - 1),
        "regret": best - picked[:, np.asarray(choice.ks) - 1],
        "needed_for_top": 1 + (accuracies >= worst_of_top).argmax(1),
        "within": picked >= best - choice.tolerance,
    }


def _predict(name: str, sampler: Sampler, tau: float, choice: Choice, noise: float) -> Prediction:
    error = noise / math.sqrt(choice.seeds)
    chunks = [_read(sampler(z, other), choice, luck * error if noise else None) for z, other, luck in _draws(choice)]
    return _summary(name, {key: np.concatenate([one[key] for one in chunks]) for key in chunks[0]}, tau, choice)


def _summary(name: str, shown: dict[str, Array], tau: float, choice: Choice) -> Prediction:
    best, repeats = (_mean(shown["accuracy"]), _mean(shown["percentile"])), len(shown["accuracy"])
    within = shown["within"].mean(0)
    top = tuple(
        TopK(k, _mean(regret), _quantile(regret), _mean(shown["needed_for_top"] <= k), _mean(shown["within"][:, k - 1]))
        for k, regret in zip(choice.ks, shown["regret"].T, strict=True)
    )
    error = math.sqrt(ASSURANCE * (1 - ASSURANCE) / repeats)
    early, enough, late = (least_kept(within, ASSURANCE + moved) or math.nan for moved in (-error, 0, error))
    return Prediction(name, tau, choice.candidates, repeats, *best, top, Simulated(enough, (late - early) / 2))


def least_kept(within: ArrayLike, assurance: float = ASSURANCE) -> int | None:
    """Return the least k whose probability, the k-th of `within`, reaches the assurance; None if there is none."""
    kept = np.flatnonzero(np.asarray(within) >= assurance - 1e-12)
    return int(kept[0]) + 1 if len(kept) else None


def _mean(values: Array) -> Simulated:
    return Simulated(float(values.mean()), float(values.std() / math.sqrt(len(values))))


def _quantile(values: Array) -> Simulated:
    """Return the smallest value that 95 % of the repeats do not exceed; its error is half of a 68 % interval."""
    ordered = np.sort(values)
    last = len(ordered) - 1
    low, high = _places(len(ordered))
    value = ordered[min(last, math.ceil(ASSURANCE * len(ordered)) - 1)]
    return Simulated(float(value), float(ordered[min(last, high)] - ordered[max(0, min(last, low - 1))]) / 2)


@cache
def _places(repeats: int) -> tuple[int, int]:
    """Return the 68 % interval of how many of the repeats are below the quantile."""
    low, high = stats.binom.ppf(ndtr([-1.0, 1.0]), repeats, ASSURANCE).astype(int)
    return low, high


def _figures(prediction: Prediction) -> list[Simulated]:
    of_ks = [figure for one in prediction.top for figure in (one.regret, one.regret_95, one.holds_top, one.within)]
    return [prediction.accuracy, prediction.percentile, prediction.enough, *of_ks]


def _values(prediction: Prediction) -> list[float]:
    return [figure.value for figure in _figures(prediction)]


def _spanned(prediction: Prediction, others: ArrayLike) -> Prediction:
    """Make the least and the largest of `others`, shape (others, figures), the figures' `low` and `high`."""
    columns = np.asarray(others, dtype=float)
    spans = zip(_figures(prediction), columns.min(0).tolist(), columns.max(0).tolist(), strict=True)
    accuracy, percentile, enough, *rest = (replace(figure, low=low, high=high) for figure, low, high in spans)
    top = tuple(TopK(one.k, *rest[4 * place : 4 * place + 4]) for place, one in enumerate(prediction.top))
    return replace(prediction, accuracy=accuracy, percentile=percentile, enough=enough, top=top)
