"""Compare each strategy with random search, random networks, the largest network and baselines. Imports no torch.

The unit of a strategy is the search: another search ends in another network. The accuracy of a search is the mean of
its winner's sound trainings.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from nas_steps.facts import FEWEST_SEARCHES, MOST, MOST_IN_TABLE
from nas_steps.metrics import metric_of
from nas_steps.provenance.files import write_csv
from nas_steps.retraining import summary
from nas_steps.retraining.comparison import (
    FEWEST_NETWORKS,
    FIGURES,
    Array,
    Difference,
    Pool,
    Side,
    Term,
    adjust,
    contrast,
    has_images,
    outcome,
    pooled,
    replicated,
)
from nas_steps.retraining.summary import (
    NO_IMAGES,
    Metrics,
    chance_trainings,
    correct_of,
    image_df_of,
    needed,
    network_of,
    pool_of,
    side_of,
    sound,
    strategy_of,
    tested,
    unit_of,
    validated,
    worth_of,
)

FAILURES = ("failed", "against_failed", "failures_difference", "failures_low", "failures_high", "failures_outcome")
CONTESTS = (
    "strategy", "against", "role", "searches", "against_searches", "matched", *FIGURES, "p_holm", "outcome",
    "relative_improvement", "ri_low", "ri_high", *FAILURES, "note",
)  # fmt: skip

SHARED = "searches that ended in one network share its trainings, whose error is added"

#: rows of opponents.csv
Opponents = Iterable[Mapping[str, str]]


@dataclass(frozen=True)
class Opponent:
    """What a strategy is compared with: `units` are networks with their trainings, an empty list for a search without
    a network."""

    against: str
    role: str
    units: Sequence[Sequence[Metrics]]
    matched: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_network(self) -> bool:
        """Whether it is one network, whose units are its trainings."""
        return self.role in ("largest", "baseline", "pretrained")

    @property
    def fewest(self) -> int:
        return {"random": FEWEST_SEARCHES, MOST: FEWEST_SEARCHES, "uniform": FEWEST_NETWORKS}.get(self.role, 1)


def write_tables(
    trainings: Sequence[Metrics],
    folder: Path,
    opponents: Opponents | None = None,
    slots: Sequence[Metrics] = (),
) -> None:
    """Write retrained.csv, summary.csv, comparisons.csv and contests.csv into a folder.

    `slots` are trainings that count in contests.csv alone.
    """
    trainings, rivals = needed(trainings), None if opponents is None else list(opponents)
    columns = summary.retrained_columns(metric_of(trainings))
    write_csv(folder / "retrained.csv", [{key: metrics[key] for key in columns} for metrics in trainings], columns)
    write_csv(folder / "summary.csv", summary.summarise(trainings), summary.SUMMARY)
    write_csv(folder / "comparisons.csv", summary.compare(trainings, rivals), summary.COMPARISONS)
    write_csv(folder / "contests.csv", contests([*trainings, *slots], rivals), CONTESTS)


def contests(trainings: Sequence[Metrics], opponents: Opponents | None = None) -> list[dict[str, Any]]:
    """Return a row for each strategy and opponent; the columns are CONTESTS.

    - role random: the networks that `opponents` names, one for each search seed; without that table random search's own
      winners, whatever they cost, and `matched` is empty
    - role most_parameters: in a benchmark's table, likewise the networks with the most parameters of as many draws, and
      that of the whole table, which is the same for all search seeds
    - role uniform: uniformly drawn networks, and the relative improvement over their mean (Yang et al. 2020)
    - roles largest, baseline and pretrained: one network, whose error is that of its trainings. Of the hand-designed
      networks, and of the pretrained network at several resolutions and its probe, the best by validation is met that
      keeps the searches' constraints; without validation accuracies each has a row.

    Two groups of searches or networks are compared by Welch's test, to which the error of the test images is added,
    and that of trainings which searches share (`_shared`).

    Holm adjusts over the rows of a role. `failures_*` are the same figures with every failed training at chance level;
    a search without a network fails, too.
    """
    trainings = needed(trainings)
    units: dict[str, list[Metrics]] = {}
    for metrics in trainings:
        units.setdefault(unit_of(metrics), []).append(metrics)
    strategies: dict[str, list[list[Metrics]]] = {}
    for mine in units.values():
        if mine[0]["kind"] == "searched":
            strategies.setdefault(strategy_of(mine[0]), []).append(mine)
    pool, rivals = pool_of(trainings), None if opponents is None else list(opponents)
    others = _other_opponents(units)
    rows = [
        {"strategy": strategy, "against": opponent.against, "role": opponent.role} | _contest(mine, opponent, pool)
        for strategy, mine in strategies.items()
        for opponent in (*_random_searches(strategy, units, rivals), *others)
    ]
    adjust(rows, ["role"], p_value="p_holm", failures_p="failures_p_holm")
    for row in rows:
        row["outcome"] = outcome(row["difference"], row["p_holm"])
        row["failures_outcome"] = outcome(row["failures_difference"], row["failures_p_holm"])
    return [{column: row[column] for column in CONTESTS} for row in rows]


def best_baselines(baselines: Mapping[str, Sequence[Metrics]]) -> list[str]:
    """Return the best by mean validation accuracy of its sound trainings; without such accuracies, all in question.

    The test set chooses nothing.
    """
    known = {name: ok for name, mine in baselines.items() if (ok := sound(mine))}
    valid = {name: validated(ok) for name, ok in known.items()}
    judged = {name: value for name, value in valid.items() if not math.isnan(value)}
    return [max(judged, key=lambda name: judged[name])] if judged else list(known or baselines)


def _random_searches(
    strategy: str, units: Mapping[str, list[Metrics]], rivals: Sequence[Mapping[str, str]] | None
) -> list[Opponent]:
    if rivals is None:
        whole: dict[str, list[list[Metrics]]] = {}
        for name, mine in units.items():
            if mine[0]["kind"] == "random" and "." not in name:
                whole.setdefault(strategy_of(mine[0]), []).append(mine)
        return [Opponent(name, "random", several) for name, several in whole.items()]
    mine = [row for row in rivals if row["strategy"] == strategy]
    found = []
    for name in dict.fromkeys(row["random"] for row in mine):
        rows = [row for row in mine if row["random"] == name]
        matched = int(all(row["matched"] == "1" for row in rows))
        notes = tuple(dict.fromkeys(row["note"] for row in rows if row["note"]))
        theirs = [units.get(row["entry"], []) for row in rows]
        # of a table the network with the most parameters is another opponent of the same budget
        role = MOST if name in (MOST, MOST_IN_TABLE) else "random"
        found.append(Opponent(name, role, theirs, matched, notes))
    return found


def _other_opponents(units: Mapping[str, list[Metrics]]) -> list[Opponent]:
    kinds: dict[str, dict[str, list[Metrics]]] = {}
    for name, mine in units.items():
        kinds.setdefault(mine[0]["kind"], {})[name] = mine
    found = [Opponent("uniform", "uniform", list(kinds["uniform"].values()))] if "uniform" in kinds else []
    found += [Opponent(name, "largest", [mine]) for name, mine in kinds.get("largest", {}).items()]
    for role in ("baseline", "pretrained"):
        # a network that breaks the constraints of the searches is no rival
        kept = {name: mine for name, mine in kinds.get(role, {}).items() if mine[0].get("constraints") != "broken"}
        best = best_baselines(kept)
        which = {"baseline": "baseline", "pretrained": "resolution"}[role]
        remark = (f"no validation accuracy to choose a {which} by",) if len(best) > 1 else ()
        found += [Opponent(name, role, [kept[name]], notes=remark) for name in best]
    return found


def _contest(mine: Sequence[Sequence[Metrics]], opponent: Opponent, pool: Pool | None) -> dict[str, Any]:
    """Return a row without Holm's adjustment and without outcomes."""
    ours, theirs = ([ok for unit in side if (ok := sound(unit))] for side in (mine, opponent.units))
    figures = _figures(ours, theirs, opponent, pool)
    failed = [sum(map(_failed, side)) for side in (mine, opponent.units)]
    failures = figures
    if any(failed):
        all_ours, all_theirs = _with_failures(mine, opponent.units)
        failures = _figures(all_ours, all_theirs, opponent, pool)
    at_chance = sum(int(count) for unit in (*ours, *theirs) if (count := chance_trainings(unit)) > 0)
    notes = [*figures.notes, *opponent.notes]
    notes += (
        [f"failed searches: {failed[0]} of {len(mine)}, {failed[1]} of {len(opponent.units)}"] if any(failed) else []
    )
    notes += [f"sound trainings at chance level: {at_chance}"] if at_chance else []
    return {
        "searches": len(ours),
        "against_searches": len(theirs),
        "matched": opponent.matched,
        **figures.difference._asdict(),
        **dict(zip(("relative_improvement", "ri_low", "ri_high"), figures.improvement, strict=True)),
        **dict(zip(("failed", "against_failed"), failed, strict=True)),
        **{f"failures_{key}": getattr(failures.difference, key) for key in ("difference", "low", "high")},
        "failures_p": failures.difference.p_value,
        "note": "; ".join(notes),
    }


@dataclass(frozen=True)
class _Figures:
    """A difference, the relative improvement with its interval, and notes. Without enough units the interval and the
    p-value are NaN."""

    difference: Difference
    improvement: tuple[float, float, float] = (math.nan,) * 3
    notes: tuple[str, ...] = ()


def _figures(
    ours: Sequence[Sequence[Metrics]], theirs: Sequence[Sequence[Metrics]], opponent: Opponent, pool: Pool | None
) -> _Figures:
    """Compare the sound trainings of two groups of units."""
    if not ours or not theirs:
        return _Figures(Difference(*[math.nan] * 4), notes=("no sound training on one side",))
    first = _group(ours, "searches")
    second = side_of(theirs[0], pool) if opponent.is_network else _group(theirs, "opponents")
    if len(ours) < FEWEST_SEARCHES or len(theirs) < opponent.fewest:
        difference = float(first.units.mean() - second.units.mean())
        return _Figures(Difference(difference, *[math.nan] * 3), notes=(_too_few(len(ours), len(theirs), opponent),))
    notes = [] if has_images(first, second) else [NO_IMAGES]
    if opponent.is_network and not second.df:
        # a search's spread holds that of trainings, and more
        second = replace(first, units=second.units, correct=second.correct)
        notes.append(f"{opponent.against} was trained once: its error is taken to be the spread of the searches")
    shared = _shared(ours, [] if opponent.is_network else theirs, pool)
    found = contrast(first, second, more=shared)
    notes += [SHARED] if shared else []
    if math.isnan(found.p_value):
        notes.append("no two trainings of a network: their error is unknown")
    elif math.isnan(found.low):
        notes.append("no spread on either side: the p-value is that of the permutation test")
    elif found.difference == found.low == found.high:
        notes.append("all accuracies are the same")
    improvement = _relative_improvement(first, second, shared) if opponent.role == "uniform" else (math.nan,) * 3
    return _Figures(found, improvement, tuple(notes))


def _too_few(ours: int, theirs: int, opponent: Opponent) -> str:
    if opponent.role in ("random", MOST):
        return f"searches: {ours} against {theirs}; a claim needs {FEWEST_SEARCHES} of each"
    if opponent.role == "uniform":
        return f"searches: {ours}, networks: {theirs}; a claim needs {FEWEST_SEARCHES} and {FEWEST_NETWORKS}"
    return f"{ours} of the {FEWEST_SEARCHES} searches that a claim needs"


def _group(units: Sequence[Sequence[Metrics]], source: str) -> Side:
    """Return searches or networks as a side: the mean of each one's trainings."""
    correct = [correct_of(unit) for unit in units]
    known: list[Array] = [one.mean(axis=0) for one in correct if one is not None]
    return replicated(
        [fmean(tested(unit)) for unit in units],
        np.stack(known) if len(known) == len(units) else None,
        source,
        max(map(worth_of, units)),
        min(map(image_df_of, units)),
    )


def _shared(ours: Sequence[Sequence[Metrics]], theirs: Sequence[Sequence[Metrics]], pool: Pool | None) -> list[Term]:
    """Return the variance of a difference that the spread of searches lacks, as some ended in one network.

    A training depends on the network and the seed alone: such searches have one error of training, not one each. If
    `twice` is the share of pairs within a side that share their trainings, and `both` that of pairs across the sides,
    `twice` of both sides less 2 `both` times the variance of a network's mean is lacking. Without a second training of
    any network the spread between networks, which is larger, takes its place; NaN if there is none.
    """
    counts = [Counter(network_of(unit[0]) for unit in side) for side in (ours, theirs)]
    twice = sum(
        sum(n * (n - 1) for n in side.values()) / (side.total() * (side.total() - 1))
        for side in counts
        if side.total() > 1
    )
    both = sum(n * counts[1][name] for name, n in counts[0].items()) / (counts[0].total() * max(1, counts[1].total()))
    share = twice - 2 * both
    if share <= 0:
        return []
    trainings = min(len(unit) for unit in (*ours, *theirs))
    if pool is None:
        networks = [{network_of(unit[0]): fmean(tested(unit)) for unit in side} for side in (ours, theirs)]
        pool = pooled([(list(one.values()), None) for one in networks])
        trainings = 1
    if pool is None:
        return [Term(math.nan, 0)]
    return [Term(share * pool.variance / trainings, pool.df)]


def _relative_improvement(first: Side, second: Side, shared: Sequence[Term]) -> tuple[float, float, float]:
    """Return (first - second) / |second| of the means, and its interval by linearising the ratio (the delta method)."""
    mean = float(second.units.mean())
    if mean == 0:
        return (math.nan,) * 3
    ratio = float(first.units.mean()) / mean
    around = contrast(first, second, ratio, shared)
    # minus the bits per byte is below 0
    gain = ratio - 1 if mean > 0 else 1 - ratio
    return gain, gain + around.low / abs(mean), gain + around.high / abs(mean)


def _failed(unit: Sequence[Metrics]) -> bool:
    """Return whether a search has no network, or one with a training that did not end soundly."""
    return not unit or any(metrics["status"] != "ok" for metrics in unit)


def _with_failures(*sides: Sequence[Sequence[Metrics]]) -> list[list[list[Metrics]]]:
    """Return all trainings as sound ones, the failed at chance level; NaN if the number of classes is unknown."""
    everyone = [metrics for side in sides for unit in side for metrics in unit]
    level = next((metrics["chance_level"] for metrics in everyone if metrics.get("chance_level")), math.nan)
    images = next((metrics["test_images"] for metrics in everyone if metrics["test_images"]), None)
    correct = next((one for metrics in everyone if (one := metrics.get("correct")) is not None), None)
    constant = None if correct is None else np.full(len(correct), level)
    failed = {"status": "ok", "test_images": images, "correct": constant, "chance_level": level}
    failed |= dict.fromkeys(("test_accuracy", "test_metric"), level)

    def sound_or_chance(unit: Sequence[Metrics]) -> list[Metrics]:
        whole = [metrics if metrics["status"] == "ok" else {**metrics, **failed} for metrics in unit]
        return whole or [{"entry": "", **failed}]

    return [[sound_or_chance(unit) for unit in side] for side in sides]
