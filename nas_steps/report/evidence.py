"""What one comparison allows to say, and what is behind it, in sentences. The page prints `RULES`."""

from collections.abc import Iterator, Sequence
from typing import Literal

from nas_steps.report import numbers
from nas_steps.report.records import Contest, Effect
from nas_steps.report.signals import Sentence
from nas_steps.retraining.comparison import ALPHA, POWER, caution

#: the fewest paired trainings for a claim
MIN_PAIRS = 3
#: the most seeds that anybody would train
MOST_SEEDS = 1000

Outcome = Literal["beat", "lost", "tie", "few", "missing", "mixed"]

#: the words of tables for outcomes that have other names there
_READING = {"tie": "not told apart", "few": "too few seeds", "missing": "not compared"}

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


def outcome(row: Contest | Effect) -> Outcome:
    """Judge one comparison: beat, lost, tie, few (seeds) or missing (no figures)."""
    pairs = row.seeds if isinstance(row, Effect) else row.pairs
    if row.difference is None:
        return "missing"
    if pairs is None or pairs < MIN_PAIRS:
        return "few"
    if row.low is None or row.high is None or row.p_holm is None:
        return "missing"
    if row.p_holm < ALPHA and excludes_zero(row):
        return "beat" if row.low > 0 else "lost"
    return "tie"


def reading(row: Contest) -> str:
    """Judge one comparison in the words of a table."""
    return _READING.get(outcome(row), outcome(row))


def combined(rows: Sequence[Contest]) -> Outcome:
    """Judge all comparisons of a strategy with one opponent together."""
    outcomes = {outcome(row) for row in rows}
    if len(outcomes) <= 1:
        return next(iter(outcomes), "missing")
    if outcomes & {"beat", "lost"}:
        return "mixed"
    return "tie" if "tie" in outcomes else "few"


def excludes_zero(row: Contest | Effect) -> bool:
    return row.low is not None and row.high is not None and not row.low <= 0 <= row.high


def measured(row: Contest | Effect) -> str:
    """`1.2 points [0.4, 2.0]`."""
    decimals = numbers.decimals_for(row.low, row.high)
    return f"{numbers.points(row.difference, decimals)} points {numbers.interval(row.low, row.high, decimals)}"


def behind(row: Contest, strategies: int = 1) -> Iterator[Sentence]:
    """Tell effect, tests and power behind a comparison, if they are known; `strategies` shared the adjustment."""
    if row.spread is None or row.effect is None:
        return
    text = (
        f"Behind it: {numbers.plain(row.effect)} standard deviations of the paired differences, which are "
        f"{numbers.points(row.spread, 2)} points; sign-flip p {numbers.small(row.p_flips)}"
    )
    if strategies > 1 and row.p_flips_holm is not None:
        text += f" (Holm-adjusted {numbers.small(row.p_flips_holm)})"
    if row.bootstrap_low is not None:
        text += f"; bootstrap interval {numbers.interval(row.bootstrap_low, row.bootstrap_high)}"
    warning = caution(row.pairs or 0, strategies)
    if warning and excludes_zero(row) and row.p_holm is not None and row.p_holm < ALPHA:
        yield Sentence(f"{text}. But {warning}.", "warning")
    else:
        yield Sentence(f"{text}.")


def could_be_seen(row: Contest) -> Iterator[Sentence]:
    """Tell what the seeds could have found, and how many the measured difference needs, if a spread is known."""
    if row.detectable is None:
        return
    text = (
        f"With this spread {numbers.plural(row.pairs or 0, 'seed')} find a true difference of "
        f"{numbers.points(row.detectable)} points with {100 * POWER:.0f} % power; "
    )
    if row.seeds_needed is None or row.seeds_needed > MOST_SEEDS:
        yield Sentence(f"{text}one as small as the measured would take more than {MOST_SEEDS:,}.")
    else:
        needed = numbers.plural(round(row.seeds_needed), "seed")
        yield Sentence(f"{text}one of the measured {numbers.points(abs(row.difference or 0.0))} points takes {needed}.")


def other_searches(rows: Sequence[Contest], strategy: str, seeds: int) -> Sentence:
    """Tell whether the winners speak for the strategy; `rows` are its means against random search."""
    row = next((row for row in rows if row.searches_p is not None), None)
    if row is not None:
        low, high = row.searches_low or 0.0, row.searches_high or 0.0
        figures = f"{numbers.interval(low, high)} points, p {numbers.small(row.searches_p)}"
        text = f"Over searches ({row.searches}): {figures}: another search by {strategy} may"
        same = not low <= 0 <= high
        return Sentence(f"{text} be expected to do the same.") if same else Sentence(f"{text} do otherwise.", "warning")
    if seeds == 1:
        return Sentence(f"{strategy} searched once: how another search by it would end is not known.", "warning")
    return Sentence(f"{seeds} searches are too few to say how another search by {strategy} would end; three could.")


def best_of(rows: Sequence[Contest], strategy: str) -> Iterator[Sentence]:
    """Tell the mean of k beside the best of k, if there were several searches."""
    by_way = {row.of: row for row in rows if row.role == "random" and (row.k or 0) > 1}
    if set(by_way) == {"mean", "best"}:
        mean, best = by_way["mean"], by_way["best"]
        text = f"{strategy} against random search, mean of all winners: {_signed(mean)}; best of {best.k} on each side"
        yield Sentence(f"{text}, chosen by validation accuracy: {_signed(best)}.")


def _signed(row: Contest) -> str:
    if row.difference is None:
        return f"no figure ({row.note or 'none was measured'})"
    interval = "" if row.low is None else f" {numbers.interval(row.low, row.high)}"
    return f"{numbers.points(row.difference, sign=True)} points{interval}"
