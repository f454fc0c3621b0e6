"""Measure what a score says of accuracy beyond the number of multiply-accumulates (MACs). Imports no torch.

The figure is a partial Spearman correlation: midranks of score and of accuracy, each less its least-squares line in the
midrank and the logarithm of MACs, are correlated. With the rank of MACs alone it would be the textbook's (Kendall &
Gibbons 1990, chapter 8). The logarithm is there since a rank is not all that MACs say: if accuracies saturate, what is
left of both depends on it, and a noisy copy of MACs would seem to order the wrong way round. Kendall's partial tau is
not used. It is not 0 for a score that depends on accuracy through MACs alone (Korn 1984): it is 0.15 for normal
variables that correlate with MACs by 0.9 and 0.75.

Intervals are 95 % percentile bootstrap ones over architectures. `benchmarks/given_macs.py` checks their coverage, how
often a noisy copy of MACs is said to add something, and the power. Fisher's z is not used: it covers too little if
tails are heavy.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from nas_steps.intervals import percentile_interval
from nas_steps.ranking.correlation import (
    FEWEST_FOR_INTERVAL,
    FEWEST_FOR_TAU,
    Array,
    Figure,
    correlation,
    paired,
    ranks,
    resamples,
    sample_ranks,
    seed_means,
    spearman,
)

#: what can be said: the score says more than MACs; it adds nothing that so many networks could show; it has the order
#: of MACs; there are too few networks to say; there is no figure
Claim = Literal["more", "nothing", "same order", "few", "unknown"]
#: networks without which nothing is claimed: of fewer not even a partial correlation of 0.8, which is that of shared
#: weights on NAS-Bench-Macro, is found in 80 % of samples (docs/measurements.md)
FEWEST_FOR_CLAIM = 20
SAME_ORDER = "the score has the order of MACs"
REVERSED = "the score has the order of MACs, reversed"
EQUAL_MACS = "all MACs are equal"
#: architectures without which two lines and a constant leave nothing to correlate
FEWEST_FOR_PARTIAL = 5
#: a variable is explained by MACs if this share of its variance, or less, is left
NOTHING_LEFT = 1e-9


@dataclass(frozen=True)
class Beyond:
    """Spearman's correlation of a score with accuracy, beside that of MACs, on the same architectures.

    plain, macs: the score's and that of MACs alone; lead: the first less the second; partial: the score's given MACs
    """

    plain: Figure
    macs: Figure
    lead: Figure
    partial: Figure

    @property
    def claim(self) -> Claim:
        """Say what the partial correlation shows."""
        if self.partial.n == 0:
            return "unknown"
        if self.partial.n < FEWEST_FOR_CLAIM:
            return "few"
        if self.partial.low is None:
            return "same order" if self.partial.note in (SAME_ORDER, REVERSED) else "unknown"
        return "more" if self.partial.low > 0 else "nothing"

    def columns(self) -> dict[str, Any]:
        """Return the columns COLUMNS; a figure that is not there is None."""
        cells: dict[str, Any] = {"spearman": self.plain.value, "spearman_macs": self.macs.value}
        for name, figure in (("lead", self.lead), ("partial", self.partial)):
            cells |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
        return cells | {"partial_n": self.partial.n, "claim": self.claim, "partial_note": self.partial.note}


COLUMNS = (
    "spearman", "spearman_macs", "lead", "lead_low", "lead_high", "partial", "partial_low", "partial_high", "partial_n",
    "claim", "partial_note",
)  # fmt: skip


def beyond_macs(reference: ArrayLike, scores: ArrayLike, macs: ArrayLike) -> dict[str, Beyond]:
    """Return what a score says beyond MACs, on the `whole pool` and on its `better half`.

    `reference` has the shape (architectures, seeds) or (architectures,), NaN if a training failed; `scores` and `macs`
    (architectures,), larger is better, NaN if not known. An architecture that lacks one of them is left out. The better
    half is at or above the median accuracy, as in `correlation.agreement`: the question is whether a score tells good
    networks apart, and good is what training says. Choosing by accuracy does not make a score that depends on it
    through MACs alone seem to add something; it lowers all correlations, the more the noisier the accuracies are.
    """
    counts = np.asarray(macs, dtype=float)
    truth, fitness, _ = paired(reference, scores)
    known = np.isfinite(seed_means(reference)) & ~np.isnan(np.asarray(scores, dtype=float))
    if counts.shape != known.shape:
        raise ValueError(f"{len(known)} architectures in the reference, MACs of shape {counts.shape}")
    counts = counts[known]
    better = truth >= np.median(truth) if len(truth) else np.zeros(0, dtype=bool)
    return {
        "whole pool": _beyond(truth, fitness, counts),
        "better half": _beyond(truth[better], fitness[better], counts[better]),
    }


def _beyond(truth: Array, fitness: Array, macs: Array) -> Beyond:
    sized = np.isfinite(macs) & (macs > 0)
    if len(macs) and not sized.any():
        none = Figure(0, "MACs are not known")
        return Beyond(correlation(truth, fitness, "spearman"), none, none, none)
    truth, fitness, macs = truth[sized], fitness[sized], macs[sized]
    plain, alone = (correlation(truth, one, "spearman") for one in (fitness, macs))
    return Beyond(plain, alone, _lead(truth, fitness, macs, plain, alone), partial(truth, fitness, macs))


def _lead(truth: Array, fitness: Array, macs: Array, plain: Figure, alone: Figure) -> Figure:
    """Return the score's correlation less that of MACs, over the same resamples."""
    n = len(truth)
    if plain.value is None:
        return Figure(n, plain.note)
    if alone.value is None:
        return Figure(n, EQUAL_MACS)
    value = plain.value - alone.value
    if n < FEWEST_FOR_INTERVAL:
        return Figure(n, plain.note, value)
    ordered, counts = ranks(truth), resamples(n)
    first, second = (spearman(ordered, ranks(one), counts) for one in (fitness, macs))
    return Figure(n, plain.note, value, *percentile_interval(first - second))


def partial(truth: Array, fitness: Array, macs: Array) -> Figure:
    """Return the partial correlation given MACs, of arrays (architectures,) without NaN; `note` says what is odd."""
    n = len(truth)
    score, accuracy, order = ranks(fitness), ranks(truth), ranks(macs)
    if n < FEWEST_FOR_TAU or min(map(np.ptp, (score, accuracy, order))) == 0:
        plain = correlation(truth, fitness, "spearman")
        if plain.value is None:
            return Figure(n, plain.note)
        return Figure(n, f"{EQUAL_MACS}: this is the correlation without them", plain.value, plain.low, plain.high)
    size = np.log(macs)
    if n < FEWEST_FOR_PARTIAL:
        return Figure(n, f"{n} architectures are too few for a correlation given MACs")
    if abs(spearman(score, order, np.ones((1, n)))[0]) > 1 - NOTHING_LEFT:
        return Figure(n, SAME_ORDER if (score == order).all() else REVERSED)
    (value,) = partial_spearman(score, accuracy, size, np.ones((1, n)))
    if math.isnan(value):
        return Figure(n, "MACs explain the order of scores or accuracies: nothing is left to compare")
    if n < FEWEST_FOR_INTERVAL:
        return Figure(n, f"{n} architectures are too few for an interval", float(value))
    # a resample in which MACs explain all shows nothing more
    low, high = percentile_interval(np.nan_to_num(partial_spearman(score, accuracy, size, resamples(n)), nan=0.0))
    return Figure(n, "", float(value), low, high)


def partial_spearman(scores: ArrayLike, truth: ArrayLike, size: ArrayLike, counts: Array) -> Array:
    """Return the partial correlation of each sample, shape (samples,), by its `counts` (samples, n).

    `scores`, `truth` and `size`, the logarithm of MACs, have the shape (n,). NaN if nothing is left of one of the two.
    """
    size = np.asarray(size, dtype=float)

    def inner(one: Array, other: Array) -> Array:
        return np.einsum("si,si,si->s", counts, one, other)[:, None]

    def centred(values: Array) -> Array:
        return values - (counts * values).sum(1, keepdims=True) / counts.sum(1, keepdims=True)

    score, accuracy, order = (centred(sample_ranks(np.asarray(one), counts)) for one in (scores, truth, size))
    whole = inner(score, score), inner(accuracy, accuracy)
    explained: list[Array] = []
    for control in (order, centred(np.broadcast_to(size, counts.shape))):
        left, before = control, inner(control, control)
        for other in explained:
            left = left - _slope(inner(left, other), inner(other, other)) * other
        # of two values of MACs, the logarithm is a line in the rank
        explained.append(np.where(inner(left, left) > NOTHING_LEFT * before, left, 0.0))
    for control in explained:
        square = inner(control, control)
        score = score - _slope(inner(score, control), square) * control
        accuracy = accuracy - _slope(inner(accuracy, control), square) * control
    squares = inner(score, score), inner(accuracy, accuracy)
    sound = (squares[0] > NOTHING_LEFT * whole[0]) & (squares[1] > NOTHING_LEFT * whole[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sound, inner(score, accuracy) / np.sqrt(squares[0] * squares[1]), np.nan)[:, 0]


def _slope(product: Array, square: Array) -> Array:
    return np.divide(product, square, out=np.zeros_like(product), where=square > 0)


def sentence(whose: str, cells: Mapping[str, Any], spell: Callable[[float | None], str]) -> str:
    """Say whether a score, such as `the score naswot`, says more than MACs alone. `cells` has COLUMNS.

    `spell` spells a correlation.
    """
    n, claim, note = cells["partial_n"] or 0, cells["claim"], cells["partial_note"]
    if claim in ("few", "unknown"):
        why = f"{n} networks are too few, {FEWEST_FOR_CLAIM} or more are needed" if claim == "few" else note
        return f"Whether {whose} says more than MACs alone is not known: {why}."
    subject = whose[:1].upper() + whose[1:]
    if claim == "same order":
        return f"{subject} adds nothing beyond MACs: {note} on all {n} networks."
    low, high = cells["partial_low"], cells["partial_high"]
    said = "says more than MACs alone" if claim == "more" else f"adds nothing beyond MACs that {n} networks could show"
    text = (
        f"{subject} {said}: Spearman's correlation given MACs {spell(cells['partial'])} [{spell(low)}, {spell(high)}]"
    )
    text += f" over {n} networks" if claim == "more" else ""
    if EQUAL_MACS in note:
        return f"{text}; {note}."
    text += f"; without them {spell(cells['spearman'])}, that of MACs alone {spell(cells['spearman_macs'])}"
    return f"{text}; given MACs it orders the wrong way round." if high < 0 else f"{text}."
