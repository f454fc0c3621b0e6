"""How well additive block scores foretold the scores of the architectures that were proposed by them."""

import math
from collections.abc import Iterator

from nas_steps.report import numbers
from nas_steps.report.records import HistoryRow
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence

#: the word for a solution that no other beats, in `history.csv`
PROVEN = "optimal"


def gaps(results: Results) -> Iterator[Sentence]:
    """Tell of each search by block scores how far its predictions were off; a warning if one solution is not proven."""
    for search in results.searches:
        rows = [row for row in search.history if row.predicted is not None]
        scored = [row for row in rows if row.score is not None and row.status in ("", "ok")]
        if not rows:
            continue
        text = f"{search.name} proposed {numbers.plural(len(rows), 'architecture')} by additive block scores"
        text += f"; {_gap(results, scored)}" if scored else "; none of them got a score"
        unproven = [row for row in rows if row.optimality != PROVEN]
        if not unproven:
            yield Sentence(f"{text}. The solver proved each to be the best that was left.")
            continue
        known = [row.mip_gap for row in unproven if row.mip_gap is not None]
        largest = f", with a gap of up to {numbers.share(max(known))}" if known else ""
        text += f". The solver stopped before it proved {len(unproven)} of them to be the best that was left{largest}"
        yield Sentence(f"{text}.", "warning")


def _gap(results: Results, scored: list[HistoryRow]) -> str:
    """Spell the mean score, that minus the prediction, and errors of scored architectures and of those left out."""
    gaps = [(row.score or 0.0) - (row.predicted or 0.0) for row in scored]
    mean, error = sum(gaps) / len(gaps), math.sqrt(sum(gap**2 for gap in gaps) / len(gaps))
    score = results.spelled_score(sum(row.score or 0.0 for row in scored) / len(scored))
    unit = "" if results.proxy else f" {results.measure.unit}"

    def spelled(value: float) -> str:
        return numbers.digits(value) if results.proxy else results.measure.difference(value)

    word = results.measure.less if mean < 0 else results.measure.more
    text = f"they scored {score} in the mean, {spelled(abs(mean))}{unit} {word} than predicted"
    text += f" (root mean square error {spelled(error)})"
    left_out = scored[-1].prediction_rmse
    if left_out is None:
        return text
    others = "evaluated before them, each left out of the fit"
    return f"{text}; of the architectures {others}, it is {spelled(left_out)}"
