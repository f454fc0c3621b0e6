"""The discretisation gap: what each step from the supernet to the trained network costs in validation accuracy."""

from collections.abc import Iterator
from typing import Any

from nas_steps.report import numbers
from nas_steps.report.columns import Column, Table, figure, figures, text
from nas_steps.report.records import Cells
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence, chosen, collapsed_from, handed_on

#: a fall of more than this share of accuracy is called a gap
GAP = 0.10

RULES = (
    "A discretisation gap is a fall of validation accuracy, from the whole supernet to its strongest operations alone, "
    f"of more than {100 * GAP:.0f} points. Batch norms' statistics are re-estimated first.",
)

_GAPS = ("search", "epoch", "mixed", "inherited", "re_estimated", "retrained", "same_architecture", "parameter_free",
         "collapsed_from", "entropy_first", "entropy")  # fmt: skip


def gaps(results: Results) -> Table:
    """One row a search by shared weights, from the supernet to the trained network."""
    columns = (
        text("search", "search"),
        figure("epoch", "epoch", numbers.count),
        *figures(numbers.share, mixed="supernet", inherited="argmax, inherited"),
        *figures(numbers.share, re_estimated="statistics re-estimated", retrained="retrained"),
        text("same_architecture", "winner is the argmax"),
        figure("parameter_free", "without weights", lambda value: numbers.share(value, 0)),
        Column("collapsed_from", "collapsed from epoch", _since, numeric=False),
        *figures(numbers.plain, entropy_first="entropy, first epoch", entropy="entropy"),
    )
    caption = "The discretisation gap, in validation accuracy, and the collapse monitor"
    return Table("gaps", caption, _GAPS, columns, list(_rows(results)))


def _since(row: Cells) -> str:
    return "not" if row["collapsed_from"] is None else numbers.count(row["collapsed_from"])


def _rows(results: Results) -> Iterator[dict[str, Any]]:
    """Yield a row a search: of alphas after the epoch handed on, of single paths for the best scored architecture."""
    for search in results.searches:
        if all(row.discrete_accuracy is None for row in search.history):
            continue
        last = handed_on(search)
        entry = results.entry(search.name)
        yield {
            "search": search.name,
            "epoch": last.step,
            # a search by single paths mixes nothing
            "mixed": chosen(search, "score") if search.has_alphas else None,
            "inherited": chosen(search, "inherited_accuracy"),
            "re_estimated": chosen(search, "discrete_accuracy"),
            "retrained": None if entry is None else entry.valid_mean,
            "same_architecture": "" if entry is None else "yes" if entry.architecture == last.architecture else "no",
            "parameter_free": chosen(search, "parameter_free"),
            "collapsed_from": collapsed_from(search),
            "entropy_first": next((row.entropy for row in search.history if row.entropy is not None), None),
            "entropy": chosen(search, "entropy"),
        }


def gap_sentences(results: Results, strategy: str) -> Iterator[Sentence]:
    """Tell what choosing the strongest operations cost the searches of a strategy, with a warning if it was much."""
    own = [row for row in _rows(results) if row["search"].rpartition("-")[0] == strategy]
    pairs = [(row["mixed"], row["re_estimated"]) for row in own]
    falls = [mixed - alone for mixed, alone in pairs if mixed is not None and alone is not None]
    if not falls:
        return
    text = f"Keeping the strongest operations alone cost {strategy} {numbers.points(sum(falls) / len(falls))} points of"
    text += " validation accuracy" + (" on average" if len(falls) > 1 else "")
    wide = sum(fall > GAP for fall in falls)
    if wide:
        yield Sentence(f"{text}: a discretisation gap in {wide} of {numbers.plural(len(falls), 'search')}.", "warning")
    else:
        yield Sentence(f"{text}: no discretisation gap.")
