"""How every estimator's scores agree with the accuracies of the pool, each figure with its interval and n.

On the uniform sample alone, which is unbiased for the space, and on the whole pool, of which a part was chosen by a
score. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from scipy import stats

from nas_steps.ranking.correlation import Agreement, Array, Figure, agreement, paired
from nas_steps.ranking.noise import Ceiling, noise_ceiling
from nas_steps.ranking.pool import BASELINES, Member, reference, scores_of

SAMPLE, WHOLE = "uniform sample", "whole pool"
COLUMNS = (
    "estimator",
    "pool",
    "part",
    "measure",
    "k",
    "value",
    "low",
    "high",
    "n",
    "p_value",
    "ceiling",
    "ceiling_low",
    "ceiling_high",
    "halves",
    "halves_low",
    "halves_high",
    "note",
    "ceiling_note",
)
KS = (1, 3, 10)


def compare(members: Sequence[Member], estimators: Sequence[str], shortlist: int | None = None) -> list[dict[str, Any]]:
    """A row for each estimator (and what it should beat, `BASELINES`), pool, part and measure.

    pool: the uniform sample, where there is one, and the whole pool
    part: all of it, and its better half
    measure: Kendall's tau-b, Spearman's rho; precision and regret of the k best scored, for `KS` and the `shortlist`

    Regrets are shares of accuracy. Correlations stand beside the noise ceiling: `halves` is that of two halves of the
    reference's seeds, `ceiling` what a perfect estimator would reach; of the better half only `halves` can be known.
    """
    ks = sorted({*KS, *([] if shortlist is None else [shortlist])})
    pools = {SAMPLE: [one for one in members if one.sampled], WHOLE: list(members)}
    rows = []
    for pool, chosen in pools.items():
        if not chosen:
            continue
        table = reference(chosen)
        ceilings = {
            (part, measure): noise_ceiling(table, measure, better_half=part == "better half")
            for part in ("all", "better half")
            for measure in ("kendall", "spearman")
        }
        for estimator in dict.fromkeys([*estimators, *BASELINES]):
            scores = scores_of(chosen, estimator)
            whole, half = agreement(table, scores, ks).values()
            for part, found in (("all", whole), ("better half", half)):
                where = {"estimator": estimator, "pool": pool, "part": part}
                told = [where | row for row in _rows(found, ceilings, part)]
                # the better half is chosen by the accuracies, which no test of independence allows
                if part == "all" and found.kendall.value is not None:
                    told[0]["p_value"] = p_value(table, scores)
                rows += told
    return rows


def p_value(table: Array, scores: Array) -> float:
    """Of Kendall's tau, two-sided, for no relation: exact without ties, else by the normal approximation. With few
    architectures it says what a bootstrap interval cannot: 3 in the same order happen in a third of all cases."""
    accuracy, fitness, _ = paired(table, scores)
    return float(stats.kendalltau(fitness, accuracy).pvalue)


def _rows(found: Agreement, ceilings: dict[tuple[str, str], Ceiling], part: str) -> list[dict[str, Any]]:
    def line(measure: str, k: int | None, figure: Figure) -> dict[str, Any]:
        note = "; ".join(filter(None, [figure.note, found.note]))
        return {"measure": measure, "k": k, **_figure(replace(figure, note=note))}

    rows = []
    for measure, figure in (("kendall", found.kendall), ("spearman", found.spearman)):
        ceiling = ceilings[part, measure]
        known = {
            f"{what}{end}": getattr(told, value)
            for what, told in (("ceiling", ceiling.ceiling), ("halves", ceiling.halves))
            for end, value in (("", "value"), ("_low", "low"), ("_high", "high"))
        }
        why = ceiling.halves.note if ceiling.halves.value is None else ceiling.ceiling.note
        rows.append(line(measure, None, figure) | known | {"ceiling_note": why})
    for measure, figures in (("precision", found.precision), ("regret", found.regret)):
        rows += [line(measure, k, figure) for k, figure in figures.items()]
    return rows


def _figure(figure: Figure) -> dict[str, Any]:
    return {"value": figure.value, "low": figure.low, "high": figure.high, "n": figure.n, "note": figure.note}
