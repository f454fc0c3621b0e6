"""From the supernet to the network that was trained by itself: what each step of discretisation costs.

Figures are shares of validation accuracy. Pure functions; the rules are in `RULES` and printed on the page.
"""

from __future__ import annotations

from typing import Any

from nas_steps.report import numbers
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence, chosen, collapsed_from, handed_on

#: a fall of more than this share of accuracy is called a gap
GAP = 0.10

RULES = (
    "The discretisation gap of a supernet is read in four steps of validation accuracy: with all operations mixed; "
    "with the strongest operations alone and all that they inherited, batch norms' running statistics too; with these "
    "statistics re-estimated; and after training from scratch. A fall of more than "
    f"{100 * GAP:.0f} points from the first to the third is warned of: the supernet was not "
    "trained towards that network.",
)

#: columns of the table of gaps
GAPS = ("search", "epoch", "mixed", "inherited", "re_estimated", "retrained", "same_architecture", "parameter_free",
        "collapsed_from", "entropy_first", "entropy")  # fmt: skip


def gaps(results: Results) -> list[dict[str, Any]]:
    """Make one row for each search by shared weights: of alphas after the epoch that was handed on, of single paths for
    the best scored architecture."""
    rows = []
    for search in results.searches:
        if all(row.discrete_accuracy is None for row in search.history):
            continue
        last = handed_on(search)
        entry = results.entry(search.name)
        same = "" if entry is None else "yes" if entry.architecture == last.architecture else "no"
        rows.append(
            {
                "search": search.name,
                "epoch": last.step,
                # a search by single paths mixes nothing
                "mixed": chosen(search, "score") if search.has_alphas else None,
                "inherited": chosen(search, "inherited_accuracy"),
                "re_estimated": chosen(search, "discrete_accuracy"),
                "retrained": None if entry is None else entry.valid_mean,
                "same_architecture": same,
                "parameter_free": chosen(search, "parameter_free"),
                "collapsed_from": collapsed_from(search),
                "entropy_first": next((row.entropy for row in search.history if row.entropy is not None), None),
                "entropy": chosen(search, "entropy"),
            }
        )
    return rows


def gap_sentences(results: Results, strategy: str) -> list[Sentence]:
    """Tell the gap of each search of a strategy, with a warning if it is wide."""
    sentences = []
    for row in gaps(results):
        if row["search"].rpartition("-")[0] != strategy:
            continue
        mixed, re_estimated = row["mixed"], row["re_estimated"]
        winner = "" if row["same_architecture"] == "yes" else " the winner, another one,"
        accuracies = {
            "with all operations mixed": mixed,
            f"with {'the best scored' if mixed is None else 'the strongest'} alone, as inherited": row["inherited"],
            "with statistics re-estimated": re_estimated,
            f"after training{winner} from scratch": row["retrained"],
        }
        known = [f"{numbers.share(value)} {what}" for what, value in accuracies.items() if value is not None]
        text = f"Validation accuracy of {row['search']}: {', '.join(known)}"
        if mixed is not None and re_estimated is not None and mixed - re_estimated > GAP:
            fall = numbers.points(mixed - re_estimated)
            text += f". Choosing the strongest operations lost {fall} points: a discretisation gap"
            sentences.append(Sentence(f"{text}.", "warning"))
        else:
            sentences.append(Sentence(f"{text}."))
    return sentences
