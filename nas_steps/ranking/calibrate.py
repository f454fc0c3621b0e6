"""Choose by the uniform sample how many of the best scored candidates are trained. Imports no torch."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nas_steps.ranking.correlation import correlation, paired
from nas_steps.ranking.pool import Member, reference, scores_of
from nas_steps.ranking.settings import CalibrationSettings
from nas_steps.ranking.sufficiency import ASSURANCE, KS, Choice, Prediction, Simulated, from_pool, from_tau

COLUMNS = (
    "predictor", "read", "k",
    *(f"{name}{end}" for name in ("regret", "regret_95", "holds_top", "enough") for end in ("", "_low", "_high")),
    "tau", "candidates",
)  # fmt: skip


def calibrate(
    sample: Sequence[Member], candidates: int, settings: CalibrationSettings
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the shortlist's size with its reason, and the cost of training the k best of `candidates` scored.

    Two predictors of `sufficiency` judge it: the copula of tau with normal accuracies, and the sample as a pool. The
    pool is read if it is at least as large as the candidates; from a smaller one several are drawn as its best. With
    `shortlist: auto` the size is the least that suffices, at most `most`; `most` if nothing can be predicted.
    """
    accuracy, fitness, left_out = paired(reference(sample), scores_of(sample, settings.estimator))
    tau = correlation(accuracy, fitness, "kendall")
    n = len(accuracy)
    record: dict[str, Any] = {
        "given": settings.shortlist,
        **{key: getattr(settings, key) for key in ("estimator", "tolerance", "most")},
        "assurance": ASSURANCE,
        "candidates": candidates,
        "sampled": len(sample),
        "architectures": n,
        "accuracy_mean": float(accuracy.mean()) if n else None,
        "accuracy_std": float(accuracy.std(ddof=1)) if n > 1 else None,
        "kendall_tau": tau.value,
        "low": tau.low,
        "high": tau.high,
        "note": "; ".join(filter(None, [tau.note, left_out])),
        **dict.fromkeys(("read", "enough", "enough_low", "enough_high")),
    }
    why = tau.note
    if candidates < 2:
        why = f"no search had two candidates ({candidates}), so that there is nothing to choose between"
    elif tau.value is not None:
        why = "all accuracies after separate training are equal" if np.ptp(accuracy) == 0 else ""
    if why or tau.value is None:
        return record | _size(settings, None, why), []
    largest_k = settings.most if settings.shortlist == "auto" else settings.shortlist
    ks = sorted({min(k, candidates) for k in (*KS, largest_k)})
    choice = Choice(candidates, settings.tolerance, ks, seed=settings.seed)
    # a percentile interval need not hold the value
    ends = [tau.value, *(end for end in (tau.low, tau.high) if end is not None)]
    mean, spread = record["accuracy_mean"], record["accuracy_std"]
    by_tau = from_tau(tau.value, choice, mean=mean, spread=spread, interval=(min(ends), max(ends)))
    by_pool = from_pool(fitness, accuracy, choice)[1]
    read = by_pool if n >= candidates else by_tau
    record |= {"read": read.predictor} | _columns("enough", read.enough)
    return record | _size(settings, read, ""), [row for one in (by_tau, by_pool) for row in _rows(one, one is read)]


def _size(settings: CalibrationSettings, read: Prediction | None, why: str) -> dict[str, Any]:
    if settings.shortlist != "auto":
        return {"shortlist": settings.shortlist, "why": "the config says so" + (f"; {why}" if why else "")}
    if read is None:
        return {"shortlist": settings.most, "why": f"nothing can be foretold ({why}), so ranking.most is taken"}
    needed = round(read.enough.value)
    if needed > settings.most:
        return {"shortlist": settings.most, "why": f"{needed} are needed, but ranking.most allows {settings.most}"}
    return {"shortlist": needed, "why": f"the fewest that lose no more than ranking.tolerance in {ASSURANCE:.0%}"}


def _rows(prediction: Prediction, read: bool) -> list[dict[str, Any]]:
    return [
        {"predictor": prediction.predictor, "read": int(read), "k": top.k}
        | _columns("regret", top.regret)
        | _columns("regret_95", top.regret_95)
        | _columns("holds_top", top.holds_top)
        | _columns("enough", prediction.enough)
        | {"tau": prediction.tau, "candidates": prediction.candidates}
        for top in prediction.top
    ]


def _columns(name: str, figure: Simulated) -> dict[str, float | None]:
    return {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
