"""Choose by the uniform sample how many of the best scored candidates are trained. Imports no torch."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nas_steps.intervals import CONFIDENCE
from nas_steps.ranking.correlation import FEWEST_FOR_INTERVAL, Array, correlation, paired
from nas_steps.ranking.given_macs import beyond_macs
from nas_steps.ranking.noise import ONE_SEED, posterior, truth
from nas_steps.ranking.pool import Member, reference, scores_of
from nas_steps.ranking.settings import CalibrationSettings
from nas_steps.ranking.sufficiency import (
    ASSURANCE,
    KS,
    REPEATS_A_WORLD,
    WORLDS,
    Choice,
    Prediction,
    Simulated,
    from_pool,
    from_sample,
    least_kept,
    reach,
)

COLUMNS = (
    "predictor", "read", "k", "seeds",
    *(
        f"{name}{end}"
        for name in ("regret", "regret_95", "holds_top", "within", "enough")
        for end in ("", "_low", "_high")
    ),
    "tau", "candidates",
)  # fmt: skip
#: the most trainings of each candidate that are looked into
MOST_SEEDS = 10
#: probabilities that are closer than this are equal: the simulation's own error
EQUAL = 0.005


def calibrate(
    sample: Sequence[Member], candidates: int, settings: CalibrationSettings
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the shortlist's size with its reason, and the cost of training the k best of `candidates` scored.

    Two predictors of `sufficiency` judge it, each with the noise of the ranking's trainings: the copula, by the
    distribution of the worlds that the sample allows, and the sample as a pool. The copula is read, since it alone
    counts what a finite sample leaves open. With `shortlist: auto` the size is the least that keeps within the
    tolerance with 95 % probability; if none up to `most` does, the least that comes closest; `most` if nothing can be
    predicted, as with one training seed. The record also names the best number of seeds, and what the score says beyond
    MACs (`given_macs.Beyond`).
    """
    table, scores = reference(sample), scores_of(sample, settings.estimator)
    accuracy, fitness, left_out = paired(table, scores)
    tau = correlation(accuracy, fitness, "kendall")
    n = len(accuracy)
    record: dict[str, Any] = {
        "given": settings.shortlist,
        **{key: getattr(settings, key) for key in ("estimator", "tolerance", "most")},
        "assurance": ASSURANCE,
        "candidates": candidates,
        "seeds": table.shape[1],
        "sampled": len(sample),
        "architectures": n,
        "accuracy_mean": float(accuracy.mean()) if n else None,
        "accuracy_std": float(accuracy.std(ddof=1)) if n > 1 else None,
        "kendall_tau": tau.value,
        "low": tau.low,
        "high": tau.high,
        "note": "; ".join(filter(None, [tau.note, left_out])),
    }
    beyond = beyond_macs(table, scores, scores_of(sample, "MACs"))["whole pool"]
    record |= beyond.columns()
    below = truth(scores, table)
    for name, figure in (
        ("noise", below.noise),
        ("spread", below.spread),
        ("reliability", below.reliability),
        ("true_tau", below.kendall),
    ):
        record |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
    record |= dict.fromkeys(("read", "enough", "enough_low", "enough_high", "within", "within_low", "within_high"))
    record |= dict.fromkeys(("best", "same_cost"))
    if why := _unknown(accuracy, tau.value, tau.note, below.noise.note, candidates):
        return record | _unknown_size(settings, why), []
    most = min(candidates, settings.most)
    given = most if settings.shortlist == "auto" else min(settings.shortlist, candidates)
    ks = sorted({*range(1, most + 1), given, *(k for k in KS if k <= candidates)})
    seeds = table.shape[1]
    choice = Choice(candidates, settings.tolerance, ks, WORLDS * REPEATS_A_WORLD, settings.seed, seeds)
    by_sample = from_sample(scores, table, choice)
    by_pool = from_pool(scores, table, choice)[1]
    numbers = sorted({*range(1, MOST_SEEDS + 1), seeds})
    worlds = posterior(scores, table, WORLDS, settings.seed)
    # resampled variances of few architectures cover less than 95 %: these have the worlds' intervals
    means = worlds.spread**2 / np.maximum(worlds.spread**2 + worlds.noise**2 / seeds, np.finfo(float).tiny)
    for name, values in (("noise", worlds.noise), ("spread", worlds.spread), ("reliability", means)):
        low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        record |= {f"{name}_low": float(min(low, record[name])), f"{name}_high": float(max(high, record[name]))}
    reached = reach(worlds, choice, most, numbers)
    mean = reached.mean(0)
    own = mean[numbers.index(seeds)]
    size = (least_kept(own) or _closest(own)) if settings.shortlist == "auto" else given
    record |= {"read": by_sample.predictor} | _columns("enough", by_sample.enough)
    record |= _columns("within", next(top.within for top in by_sample.top if top.k == size))
    record["best"] = _best(reached, numbers)
    record["same_cost"] = _same_cost(reached, numbers, size * seeds)
    if settings.shortlist != "auto":
        chosen: dict[str, Any] = {"shortlist": settings.shortlist, "why": "the config says so"}
    else:
        chosen = {"shortlist": size, "why": _reason(record, own, size)}
    shown = {*KS, size, most, given}
    rows = [row for one in (by_sample, by_pool) for row in _rows(one, seeds, shown, one is by_sample)]
    better = record["best"]["seeds"]
    if better != seeds:
        other = from_sample(scores, table, Choice(candidates, settings.tolerance, ks, seed=settings.seed, seeds=better))
        rows += _rows(other, better, {*KS, record["best"]["k"], most}, True)
    return record | chosen, rows


def _unknown(accuracy: Array, tau: float | None, note: str, noise: str, candidates: int) -> str:
    """Say why nothing can be predicted; empty if something can."""
    if candidates < 2:
        return f"no search had two candidates ({candidates}), so that there is nothing to choose between"
    if tau is None:
        return note
    if len(accuracy) < FEWEST_FOR_INTERVAL:
        return f"{len(accuracy)} architectures are too few: {FEWEST_FOR_INTERVAL} or more are needed"
    if np.ptp(accuracy) == 0:
        return "all accuracies after separate training are equal"
    if noise == ONE_SEED:
        return f"{ONE_SEED}; set ranking.seeds to 2 or more"
    return ""


def _unknown_size(settings: CalibrationSettings, why: str) -> dict[str, Any]:
    if settings.shortlist != "auto":
        return {"shortlist": settings.shortlist, "why": f"the config says so; {why}"}
    return {"shortlist": settings.most, "why": f"nothing can be predicted ({why}), so ranking.most is taken"}


def _closest(within: Array) -> int:
    """Return the least k whose probability is the highest."""
    return int(np.flatnonzero(within >= within.max() - EQUAL)[0]) + 1


def _split(reached: Array, numbers: Sequence[int], place: int, k: int) -> dict[str, Any]:
    """Describe training k candidates with a number of seeds each. `reached` has the shape (worlds, seeds, k)."""
    worlds = reached[:, place, k - 1]
    low, high = np.quantile(worlds, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    within = float(worlds.mean())
    return {"k": k, "seeds": numbers[place], "trainings": k * numbers[place], "within": within} | {
        "within_low": float(min(low, within)), "within_high": float(max(high, within)),
        "keeps": within >= ASSURANCE - 1e-12,
    }  # fmt: skip


def _best(reached: Array, numbers: Sequence[int]) -> dict[str, Any]:
    """Return the split with the fewest trainings that keeps its promise; if none does, the most probable one."""
    mean = reached.mean(0)
    bar = ASSURANCE - 1e-12 if mean.max() >= ASSURANCE - 1e-12 else mean.max() - EQUAL
    splits = [(place, k) for place, row in enumerate(mean) for k in range(1, len(row) + 1) if row[k - 1] >= bar]
    place, k = min(splits, key=lambda one: (one[1] * numbers[one[0]], -mean[one[0], one[1] - 1]))
    return _split(reached, numbers, place, k)


def _same_cost(reached: Array, numbers: Sequence[int], trainings: int) -> dict[str, Any]:
    """Return the most probable split of at most as many trainings; of equals that with the fewest."""
    mean = reached.mean(0)
    splits = [
        (place, k)
        for place, number in enumerate(numbers)
        for k in range(1, mean.shape[1] + 1)
        if k * number <= trainings
    ]
    most = max(mean[place, k - 1] for place, k in splits)
    near = [(place, k) for place, k in splits if mean[place, k - 1] >= most - EQUAL]
    return _split(reached, numbers, *min(near, key=lambda one: one[1] * numbers[one[0]]))


def named(split: dict[str, Any]) -> str:
    """Name a split with its probability, rounded down: `10 candidates x 3 seeds: 88 %`."""
    counts = ((split["k"], "candidate"), (split["seeds"], "seed"))
    text = " x ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word in counts)
    return f"{text}: {math.floor(100 * split['within'] + 1e-9)} %"


def _reason(record: dict[str, Any], own: Array, size: int) -> str:
    """Say why `auto` takes this size, and which split of as many trainings is better. `own` is by k, for its seeds."""
    seeds, best, same = record["seeds"], record["best"], record["same_cost"]
    reached = float(own[size - 1])
    if reached >= ASSURANCE - 1e-12:
        text = f"the fewest whose pick loses no more than ranking.tolerance in {ASSURANCE:.0%}"
    else:
        here = named({"k": size, "seeds": seeds, "within": reached})
        enough = record["enough"]
        allowed = f", but ranking.most allows {record['most']}"
        needed = f"{enough:.0f} are needed" if enough is not None else f"no number is enough with {_plural(seeds)}"
        text = f"{needed}{allowed}; the probability of a pick within ranking.tolerance is the highest with {here}"
        text += (
            f"; enough would be {named(best)}" if best["keeps"] else f"; no split is enough, the best is {named(best)}"
        )
    if same["seeds"] != seeds and same != best and same["within"] > reached + EQUAL:
        text += f"; a better split of as many trainings is {named(same)}"
    return text


def _plural(seeds: int) -> str:
    return "1 seed" if seeds == 1 else f"{seeds} seeds"


def _rows(prediction: Prediction, seeds: int, ks: set[int], read: bool) -> list[dict[str, Any]]:
    return [
        {"predictor": prediction.predictor, "read": int(read), "k": top.k, "seeds": seeds}
        | _columns("regret", top.regret)
        | _columns("regret_95", top.regret_95)
        | _columns("holds_top", top.holds_top)
        | _columns("within", top.within)
        | _columns("enough", prediction.enough)
        | {"tau": prediction.tau, "candidates": prediction.candidates}
        for top in prediction.top
        if top.k in ks
    ]


def _columns(name: str, figure: Simulated) -> dict[str, float | None]:
    """Return a figure's columns; what is not a finite number is None."""
    values = {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
    return {key: value if value is not None and math.isfinite(value) else None for key, value in values.items()}
