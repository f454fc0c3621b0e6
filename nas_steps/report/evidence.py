"""What stands behind a comparison beyond its t interval: effect, permutation test, bootstrap, power, other searches.

Pure functions that return sentences; the rules are in `RULES` and printed on the page.
"""

from __future__ import annotations

from collections.abc import Sequence

from nas_steps.report import numbers
from nas_steps.report.records import Contest
from nas_steps.report.signals import Sentence
from nas_steps.retraining.comparison import ALPHA, POWER, caution

#: beyond so many seeds nobody will train
MOST_SEEDS = 1000

RULES = (
    "Beside each comparison stand its effect (Hedges' g: the mean difference in standard deviations of the paired "
    "differences), the p value of a sign-flip permutation test, which assumes nothing of their distribution, and from "
    "five seeds on a studentised bootstrap interval. Where a claim rests on so few seeds that no permutation test "
    "could confirm it, that is told.",
    f"Where two sides cannot be told apart, two figures say how much could have been seen: the true difference that so "
    f"many seeds would find with {100 * POWER:.0f} % power at the measured spread, and the number of seeds that the "
    "measured difference would need.",
    "Comparisons are paired over training seeds: they tell how the networks at hand compare when trained again. How "
    "other searches would end is told by Welch's interval over the winners' means, from three searches of a side on.",
)


def behind(row: Contest, strategies: int = 1) -> Sentence | None:
    """Effect, tests and power behind a comparison, where there are figures; `strategies` shared the adjustment."""
    if row.spread is None or row.effect is None:
        return None
    text = (
        f"Behind it: {numbers.plain(row.effect)} standard deviations of the paired differences, which are "
        f"{numbers.points(row.spread, 2)} points; sign-flip p {numbers.small(row.p_flips)}"
    )
    if strategies > 1 and row.p_flips_holm is not None:
        text += f" (Holm-adjusted {numbers.small(row.p_flips_holm)})"
    if row.bootstrap_low is not None:
        text += f"; bootstrap interval {numbers.interval(row.bootstrap_low, row.bootstrap_high)}"
    warning = caution(row.pairs or 0, strategies)
    if warning and _claimed(row):
        return Sentence(f"{text}. But {warning}.", "warning")
    return Sentence(f"{text}.")


def _claimed(row: Contest) -> bool:
    excludes = row.low is not None and row.high is not None and not row.low <= 0 <= row.high
    return excludes and row.p_holm is not None and row.p_holm < ALPHA


def could_be_seen(row: Contest) -> Sentence | None:
    """What so many seeds could have found, and how many the measured difference would need; None without a spread."""
    if row.detectable is None:
        return None
    text = (
        f"With this spread {numbers.plural(row.pairs or 0, 'seed')} find a true difference of "
        f"{numbers.points(row.detectable)} points with {100 * POWER:.0f} % power; "
    )
    if row.seeds_needed is None or row.seeds_needed > MOST_SEEDS:
        return Sentence(f"{text}one as small as the measured would take more than {MOST_SEEDS:,}.")
    needed = numbers.plural(round(row.seeds_needed), "seed")
    return Sentence(f"{text}one of the measured {numbers.points(abs(row.difference or 0.0))} points takes {needed}.")


def other_searches(rows: Sequence[Contest], strategy: str, seeds: int) -> Sentence | None:
    """Whether what is said of the winners can be said of the strategy; `rows` are its means against random search."""
    known = [row for row in rows if row.searches_p is not None]
    if known:
        row = known[0]
        low, high = row.searches_low or 0.0, row.searches_high or 0.0
        told = (
            f"Over searches ({row.searches}): {numbers.interval(low, high)} points, p {numbers.small(row.searches_p)}"
        )
        if low <= 0 <= high:
            return Sentence(f"{told}: another search by {strategy} may do otherwise.", "warning")
        return Sentence(f"{told}: another search by {strategy} may be expected to do the same.")
    if seeds == 1:
        return Sentence(f"{strategy} searched once: how another search by it would end is not known.", "warning")
    return Sentence(f"{seeds} searches are too few to say how another search by {strategy} would end; three could.")


def best_of(rows: Sequence[Contest], strategy: str) -> Sentence | None:
    """Mean of k beside best of k, each labelled; None for a single search."""
    found = {row.of: row for row in rows if row.role == "random" and (row.k or 0) > 1}
    if set(found) != {"mean", "best"}:
        return None
    mean, best = found["mean"], found["best"]
    text = (
        f"{strategy} against random search, mean of all winners: {_told(mean)}; best of {best.k} on each side, chosen "
    )
    return Sentence(f"{text}by validation accuracy: {_told(best)}.")


def _told(row: Contest) -> str:
    if row.difference is None:
        return f"no figure ({row.note or 'none was measured'})"
    interval = "" if row.low is None else f" {numbers.interval(row.low, row.high)}"
    return f"{numbers.points(row.difference, sign=True)} points{interval}"
