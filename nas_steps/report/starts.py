"""What pretrained weights brought, and what searching among their slices brought, in one line."""

from __future__ import annotations

from collections.abc import Sequence

from nas_steps.facts import PROBE
from nas_steps.report.records import Comparison, Contest
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence

RULE = (
    "What pretraining brought is the searches' best ranked network minus the same network trained from nothing by the "
    "same recipe. What searching brought is that network, or the strategy, minus the pretrained network that keeps the "
    "constraints and validates best: fine-tuned whole at one of the resolutions, or with its last layer alone learning."
)


def brought(results: Results) -> Sentence | None:
    """Say it of the best ranked network; None if networks start from nothing."""
    if results.config.weights.source == "none":
        return None
    pairs = [row for row in results.comparisons if row.role == "from_nothing"]
    # several searches may have ended in the network
    first = pairs[0] if pairs else None
    pretraining = "Pretraining: no figure"
    if first is not None and first.difference is not None:
        pretraining = f"Pretraining brought {results.measure.signed(first)} ({first.entry} against itself from nothing)"
    searching, lost = _searching(results, first)
    return Sentence(f"{pretraining}; {searching}.", "warning" if lost else "plain")


def _searching(results: Results, first: Comparison | None) -> tuple[str, bool]:
    """Tell the best outcome against the whole pretrained network; the second value says whether it is a loss."""
    contests = [row for row in results.contests if row.role == "pretrained" and row.difference is not None]
    judged = [row for row in contests if row.outcome != "few"]
    rows: Sequence[Contest | Comparison] = judged
    if not judged:
        against = {row.against for row in contests}
        rows = [
            row
            for row in results.comparisons
            if row.role == "pretrained" and row.against in against and (first is None or row.entry == first.entry)
        ]
    rows = [row for row in rows if row.difference is not None]
    if not rows:
        return "searching: no figure beside the pretrained network", True
    # without validation figures there are several such networks: a subject meets the strongest of them
    hardest: dict[str, Contest | Comparison] = {}
    for row in sorted(rows, key=lambda row: row.difference or 0.0):
        hardest.setdefault(_subject(row), row)
    best = max(hardest.values(), key=lambda row: row.difference or 0.0)
    which = "the pretrained network with a new last layer" if best.against == PROBE else "the pretrained network whole"
    end = {"lost": ", a loss", "tie": ", no difference found", "few": ", too few trainings to judge"}
    text = f"searching brought {results.measure.signed(best)} ({_subject(best)} against {best.against}, {which}"
    return f"{text}{end.get(best.outcome, '')})", best.outcome == "lost"


def _subject(row: Contest | Comparison) -> str:
    return row.strategy if isinstance(row, Contest) else row.entry
