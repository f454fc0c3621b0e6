"""From the supernet to the network that was trained by itself: what each step of discretisation costs.

Figures are shares of validation accuracy. Pure functions; the rules are in `RULES` and printed on the page.
"""

from __future__ import annotations

from typing import Any

from nas_steps.config.strategies import GRADIENT_KINDS
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
GAPS = (
    "search",
    "epoch",
    "mixed",
    "inherited",
    "re_estimated",
    "retrained",
    "same_architecture",
    "parameter_free",
    "collapsed_from",
    "entropy_first",
    "entropy",
)


def gaps(results: Results) -> list[dict[str, Any]]:
    """One row for each search by shared weights: of alphas after the epoch that was handed on, of single paths for the
    best scored architecture."""
    rows = []
    for search in results.searches:
        if all(step.discrete_accuracy is None for step in search.history):
            continue
        last = handed_on(search)
        entry = results.entry(search.name)
        entropies = [step.entropy for step in search.history if step.entropy is not None]
        rows.append(
            {
                "search": search.name,
                "epoch": last.step,
                # of a search by single paths nothing is mixed
                "mixed": chosen(search, "score") if search.kind in GRADIENT_KINDS else None,
                "inherited": chosen(search, "inherited_accuracy"),
                "re_estimated": chosen(search, "discrete_accuracy"),
                "retrained": None if entry is None else entry.valid_mean,
                "same_architecture": "" if entry is None else _yes(entry.architecture == last.architecture),
                "parameter_free": chosen(search, "parameter_free"),
                "collapsed_from": collapsed_from(search),
                "entropy_first": entropies[0] if entropies else None,
                "entropy": chosen(search, "entropy"),
            }
        )
    return rows


def gap_sentences(results: Results, strategy: str) -> list[Sentence]:
    """The gap of each search of a strategy, with a warning where it is wide."""
    sentences = []
    for row in gaps(results):
        if row["search"].rpartition("-")[0] != strategy:
            continue
        steps = [
            (row["mixed"], "with all operations mixed"),
            (
                row["inherited"],
                f"with {'the best scored' if row['mixed'] is None else 'the strongest'} alone, as inherited",
            ),
            (row["re_estimated"], "with statistics re-estimated"),
            (row["retrained"], _retrained(row["same_architecture"])),
        ]
        told = [f"{numbers.share(value)} {what}" for value, what in steps if value is not None]
        text = f"Validation accuracy of {row['search']}: {', '.join(told)}"
        fall = None if None in (row["mixed"], row["re_estimated"]) else row["mixed"] - row["re_estimated"]
        if fall is not None and fall > GAP:
            text += f". Choosing the strongest operations lost {numbers.points(fall)} points: a discretisation gap"
            sentences.append(Sentence(f"{text}.", "warning"))
        else:
            sentences.append(Sentence(f"{text}."))
    return sentences


def _retrained(same: str) -> str:
    return "after training from scratch" if same == "yes" else "after training the winner, another one, from scratch"


def _yes(condition: bool) -> str:
    return "yes" if condition else "no"
