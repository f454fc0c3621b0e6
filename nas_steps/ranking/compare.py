"""Compare estimators with the accuracies of the uniform sample and of the whole pool. Imports no torch."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from scipy import stats

from nas_steps.ranking.correlation import Agreement, Figure, agreement, paired
from nas_steps.ranking.given_macs import Beyond, beyond_macs
from nas_steps.ranking.noise import Ceiling, noise_ceiling
from nas_steps.ranking.pool import BASELINES, Member, reference, scores_of

COLUMNS = (
    "estimator", "pool", "part", "measure", "k", "value", "low", "high", "n", "p_value", "ceiling", "ceiling_low",
    "ceiling_high", "halves", "halves_low", "halves_high", "claim", "note", "ceiling_note",
)  # fmt: skip
KS = (1, 3, 10)


def compare(members: Sequence[Member], estimators: Sequence[str], shortlist: int | None = None) -> list[dict[str, Any]]:
    """Return a row for each estimator and baseline, pool, part and measure.

    measure: Kendall's tau-b, Spearman's rho; precision and regret of the k best scored, for `KS` and the `shortlist`;
        given_macs, Spearman's rho given MACs, with what it shows as `claim`; lead, rho less that of MACs alone

    Regrets are shares of accuracy. Correlations have the columns of the noise ceiling beside them (`noise.Ceiling`).
    """
    ks = sorted({*KS, *([] if shortlist is None else [shortlist])})
    rows = []
    pools = {"uniform sample": [one for one in members if one.sampled], "whole pool": list(members)}
    for pool, chosen in pools.items():
        if not chosen:
            continue
        table, sizes = reference(chosen), scores_of(chosen, "MACs")
        ceilings = {
            (part, measure): noise_ceiling(table, measure, better_half=part == "better half")
            for part in ("all", "better half")
            for measure in ("kendall", "spearman")
        }
        for estimator in dict.fromkeys([*estimators, *BASELINES]):
            scores = scores_of(chosen, estimator)
            whole, half = agreement(table, scores, ks).values()
            beyond = beyond_macs(table, scores, sizes)
            for part, judged, more in (
                ("all", whole, beyond["whole pool"]),
                ("better half", half, beyond["better half"]),
            ):
                part_rows = _rows(judged, ceilings, part)
                # the better half is chosen by the accuracies, which no test of independence allows
                if part == "all" and judged.kendall.value is not None:
                    # exact without ties; a bootstrap interval of few architectures does not say as much
                    accuracy, fitness, _ = paired(table, scores)
                    part_rows[0]["p_value"] = float(stats.kendalltau(fitness, accuracy).pvalue)
                if estimator != "MACs":
                    part_rows += _beyond(more, judged.note)
                rows += [{"estimator": estimator, "pool": pool, "part": part} | row for row in part_rows]
    return rows


def _rows(judged: Agreement, ceilings: dict[tuple[str, str], Ceiling], part: str) -> list[dict[str, Any]]:
    def row(measure: str, k: int | None, figure: Figure) -> dict[str, Any]:
        note = "; ".join(filter(None, [figure.note, judged.note]))
        return {"measure": measure, "k": k, **asdict(figure), "note": note}

    rows = []
    for measure, figure in (("kendall", judged.kendall), ("spearman", judged.spearman)):
        bounds = ceilings[part, measure]
        why = bounds.halves.note if bounds.halves.value is None else bounds.ceiling.note
        rows.append(row(measure, None, figure) | {"ceiling_note": why})
        for name, bound in (("ceiling", bounds.ceiling), ("halves", bounds.halves)):
            rows[-1] |= {name: bound.value, f"{name}_low": bound.low, f"{name}_high": bound.high}
    for measure, figures in (("precision", judged.precision), ("regret", judged.regret)):
        rows += [row(measure, k, figure) for k, figure in figures.items()]
    return rows


def _beyond(more: Beyond, left_out: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for measure, figure, claim in (("given_macs", more.partial, more.claim), ("lead", more.lead, "")):
        note = "; ".join(filter(None, [figure.note, left_out]))
        rows.append({"measure": measure, "k": None, **asdict(figure), "claim": claim, "note": note})
    return rows
