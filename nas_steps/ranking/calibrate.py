"""How many of the best scored must be trained, told by the uniform sample. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nas_steps.ranking.correlation import correlation, paired
from nas_steps.ranking.pool import Member, reference, scores_of
from nas_steps.ranking.settings import CalibrationSettings
from nas_steps.ranking.sufficiency import ASSURANCE, Estimate, Prediction, from_pool, from_tau

COLUMNS = (
    "predictor",
    "read",
    "k",
    *(f"{name}{end}" for name in ("regret", "regret_95", "holds_top", "enough") for end in ("", "_low", "_high")),
    "tau",
    "candidates",
)
KS = (1, 3, 10, 30)


def calibrate(
    sample: Sequence[Member], candidates: int, step: CalibrationSettings, ks: Sequence[int] = KS
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The size of the shortlist with its reason, and what training the k best of `candidates` scored costs.

    Candidates are foretold as if drawn uniformly, by two predictors of `sufficiency`: the copula of tau with normal
    accuracies of the sample's mean and spread, and the sample itself as a pool. The pool is read where it has at least
    as many architectures as there are candidates; a smaller one is drawn from again and again, so that several
    candidates are its best, and too few seem enough. With `shortlist: auto` the size is the fewest that the read one
    asks for, at most `most`; `most` where nothing can be foretold.
    """
    accuracy, fitness, left = paired(reference(sample), scores_of(sample, step.estimator))
    tau = correlation(accuracy, fitness, "kendall")
    told: dict[str, Any] = {
        "given": step.shortlist,
        "estimator": step.estimator,
        "tolerance": step.tolerance,
        "most": step.most,
        "assurance": ASSURANCE,
        "candidates": candidates,
        "sampled": len(sample),
        "architectures": len(accuracy),
        "accuracy_mean": float(accuracy.mean()) if len(accuracy) else None,
        "accuracy_std": float(accuracy.std(ddof=1)) if len(accuracy) > 1 else None,
        "kendall_tau": tau.value,
        "low": tau.low,
        "high": tau.high,
        "note": "; ".join(filter(None, [tau.note, left])),
        "read": None,
        "enough": None,
        "enough_low": None,
        "enough_high": None,
    }
    why = "" if tau.value is not None else tau.note
    if candidates < 2:
        why = f"no search had two candidates ({candidates}), so that there is nothing to choose between"
    elif not why and np.ptp(accuracy) == 0:
        why = "all accuracies after separate training are equal"
    if why:
        return told | _size(step, None, why), []
    shown = sorted({min(k, candidates) for k in (*ks, step.most if step.shortlist == "auto" else step.shortlist)})
    shared: dict[str, Any] = {
        "candidates": candidates,
        "tolerance": step.tolerance,
        "ks": shown,
        "seed": step.seed,
    }
    assert tau.value is not None  # else there is a reason above
    # a percentile interval need not hold the value
    ends = [tau.value, *(end for end in (tau.low, tau.high) if end is not None)]
    predictions = (
        from_tau(
            tau.value,
            mean=float(accuracy.mean()),
            spread=float(accuracy.std(ddof=1)),
            low=min(ends),
            high=max(ends),
            **shared,
        ),
        from_pool(fitness, accuracy, **shared)[1],
    )
    read = "pool" if len(accuracy) >= candidates else "copula"
    chosen = next(one for one in predictions if one.predictor == read)
    told |= {"read": read} | _spelled("enough", chosen.enough)
    return told | _size(step, chosen, ""), [row for one in predictions for row in _rows(one, read)]


def _size(step: CalibrationSettings, chosen: Prediction | None, why: str) -> dict[str, Any]:
    """The shortlist's size and the reason for it."""
    if step.shortlist != "auto":
        return {"shortlist": step.shortlist, "why": "the config says so" + (f"; {why}" if why else "")}
    if chosen is None:
        return {"shortlist": step.most, "why": f"nothing can be foretold ({why}), so ranking.most is taken"}
    wanted = round(chosen.enough.value)
    if wanted > step.most:
        why = f"{wanted} are needed, but ranking.most allows {step.most}"
        return {"shortlist": step.most, "why": why}
    return {"shortlist": wanted, "why": f"the fewest that lose no more than ranking.tolerance in {ASSURANCE:.0%}"}


def _rows(prediction: Prediction, read: str) -> list[dict[str, Any]]:
    return [
        {
            "predictor": prediction.predictor,
            "read": int(prediction.predictor == read),
            "k": top.k,
            **_spelled("regret", top.regret),
            **_spelled("regret_95", top.regret_95),
            **_spelled("holds_top", top.holds_top),
            **_spelled("enough", prediction.enough),
            "tau": prediction.tau,
            "candidates": prediction.candidates,
        }
        for top in prediction.top
    ]


def _spelled(name: str, estimate: Estimate) -> dict[str, float | None]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
