"""Means and intervals of final trainings, and comparisons of networks. Imports no torch."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from scipy.special import betaincinv

from nas_steps.facts import PROBE, SUPERNET
from nas_steps.intervals import CONFIDENCE, accuracy_interval, mean_interval
from nas_steps.metrics import ACCURACY, Smoothing, figure_of
from nas_steps.retraining import comparison
from nas_steps.retraining.comparison import Array, Pool, Side, adjust, contrast, network, outcome, pooled
from nas_steps.training.record import UNNEEDED

#: the record of a training, as in metrics.json, and what `predictions.read_trainings` adds
Metrics = Mapping[str, Any]

RETRAINED = (
    "entry", "kind", "seed", "status", "architecture", "parameters", "macs", "valid_accuracy", "test_accuracy",
    "test_loss", "test_images", "train_seconds",
)  # fmt: skip
#: more columns of a training by another metric than accuracy
BY_METRIC = ("valid_metric", "test_metric")
SUMMARY = (
    "entry", "kind", "strategy", "architecture", "parameters", "macs", "trainings", "diverged", "chance", "valid_mean",
    "test_mean", "test_std", "test_low", "test_high", "train_seconds", "note",
)  # fmt: skip
COMPARISONS = (
    "entry", "strategy", "against", "role", "seeds", "difference", "low", "high", "p_value", "p_holm", "outcome", "note"
)  # fmt: skip
NO_IMAGES = "no predictions: the interval does not count the test set's size"
NO_INTERVAL = "neither a second training nor predictions: no interval"
NO_TRAININGS = "one training of each network: the interval counts test images alone"


def summarise(trainings: Sequence[Metrics]) -> list[dict[str, Any]]:
    """Return a row for each entry, in the order of first appearance. Diverged trainings are counted, not averaged.

    The interval counts trainings, by their variance pooled over entries, and test images. An entry that stands for
    several searches has the t interval of their own spread.
    """
    trainings = needed(trainings)
    pool, rows = pool_of(trainings), []
    for name, mine in by_entry(trainings).items():
        ok = sound(mine)
        first = (ok or mine)[0]
        row = {"entry": name, "kind": first["kind"], "strategy": strategy_of(first)}
        row |= {key: first[key] for key in ("architecture", "parameters", "macs")}
        row |= {"trainings": len(ok), "diverged": sum(metrics["status"] == "diverged" for metrics in mine)}
        row |= {"chance": chance_trainings(ok), **_accuracy(ok, pool)}
        # an accuracy from a table took no time
        rows.append(row | {"valid_mean": validated(ok), "train_seconds": mean_of(ok, "train_seconds")})
    return rows


def _accuracy(ok: Sequence[Metrics], pool: Pool | None) -> dict[str, Any]:
    """Return test_mean, test_std, test_low, test_high and note of an entry's sound trainings."""
    if len({unit_of(metrics) for metrics in ok}) > 1:
        found = {f"test_{key}": value for key, value in accuracy_interval(tested(ok)).items()}
        return found | {"note": "the interval is over searches"}
    figures = mean_interval(tested(ok))
    row = {"test_mean": figures["mean"], "test_std": figures["std"], "test_low": math.nan, "test_high": math.nan}
    if not ok:
        return row | {"note": "no sound training"}
    side = side_of(ok, pool)
    low, high = comparison.accuracy(side, smoothing_of(ok))
    note = "" if side.df else NO_TRAININGS
    if side.correct is None:
        note = NO_IMAGES if side.df else NO_INTERVAL
    return row | {"test_low": low, "test_high": high, "note": note}


def retrained_columns(metric: str) -> tuple[str, ...]:
    """Return the columns of retrained.csv."""
    return RETRAINED if metric == ACCURACY else (*RETRAINED, *BY_METRIC)


def compare(trainings: Sequence[Metrics], opponents: Iterable[Mapping[str, str]] | None = None) -> list[dict[str, Any]]:
    """Compare each searched network with the others, unpaired; Holm adjusts within a role.

    The variance between trainings is pooled over entries: see `comparison`. Of random search's networks, each search
    meets those that `opponents`, the rows of opponents.csv, names for its search seed; all of them without that table.
    Without a variance between trainings nothing is claimed: the outcome is `few`. A table of strategies has no rows.
    """
    trainings = needed(trainings)
    entries, pool = by_entry(trainings), pool_of(trainings)
    if any(len({unit_of(metrics) for metrics in mine}) > 1 for mine in entries.values()):
        return []
    rivals = None
    if opponents is not None:
        rivals = {(f"{row['strategy']}-{row['search_seed']}", row["entry"]) for row in opponents}
    rows: list[dict[str, Any]] = []
    for name, mine in entries.items():
        for other, theirs in entries.items():
            role = theirs[0]["kind"]
            if mine[0]["kind"] != "searched" or role == "searched":
                continue
            if role == "random" and rivals is not None and (name, other) not in rivals:
                continue
            if role == "from_nothing" and mine[0]["architecture"] != theirs[0]["architecture"]:
                continue
            head = {"entry": name, "strategy": strategy_of(mine[0]), "against": other, "role": role}
            rows.append(head | _compared(sound(mine), sound(theirs), pool))
    adjust(rows, ["role"], p_value="p_holm")
    for row in rows:
        row["outcome"] = outcome(row["difference"], row["p_holm"])
    return rows


def _compared(mine: Sequence[Metrics], theirs: Sequence[Metrics], pool: Pool | None) -> dict[str, Any]:
    row = {"seeds": f"{len(mine)} against {len(theirs)}", **dict.fromkeys(comparison.FIGURES, math.nan)}
    if not mine or not theirs:
        return row | {"note": "no sound training of one of the two"}
    first, second = side_of(mine, pool), side_of(theirs, pool)
    notes = [] if comparison.has_images(first, second) else [NO_IMAGES]
    found = contrast(first, second)._asdict()
    if not first.df and not second.df:
        notes = [NO_TRAININGS if comparison.has_images(first, second) else "one training of each network: no interval"]
        found["p_value"] = math.nan
    return row | found | {"note": "; ".join(notes)}


def pool_of(trainings: Sequence[Metrics]) -> Pool | None:
    """Pool the variance between sound trainings of one network over networks; those at chance level do not count.

    Entries of one network have the same trainings, which count once.
    """
    groups: dict[str, list[Metrics]] = {}
    for metrics in sound(trainings):
        groups.setdefault(unit_of(metrics), []).append(metrics)
    networks = {network_of(mine[0]): mine for mine in reversed(groups.values())}
    return pooled([(tested(mine), correct_of(mine)) for mine in networks.values() if not chance_trainings(mine) > 0])


def side_of(mine: Sequence[Metrics], pool: Pool | None) -> Side:
    """Return one network's sound trainings as a side of a comparison.

    If one of them is at chance level, the entries do not vary alike: the network's own variance counts.
    """
    if chance_trainings(mine) > 0 and len(mine) > 1:
        pool = pooled([(tested(mine), correct_of(mine))])
        return network(tested(mine), pool, correct_of(mine), unit_of(mine[0]), worth_of(mine), image_df_of(mine))
    return network(tested(mine), pool, correct_of(mine), worth=worth_of(mine), image_df=image_df_of(mine))


def correct_of(trainings: Sequence[Metrics]) -> Array | None:
    """Return which images each training has right, or their contributions to another metric (trainings, images).

    None if one has no predictions.
    """
    known = [one for metrics in trainings if (one := metrics.get("correct")) is not None]
    return np.stack(known) if known and len(known) == len(trainings) else None


def worth_of(trainings: Sequence[Metrics]) -> float:
    """Return the most that one test image can change the figure, in images."""
    return max((metrics["image_worth"] for metrics in trainings if metrics.get("image_worth")), default=1.0)


def image_df_of(trainings: Sequence[Metrics]) -> float:
    """Return the degrees of freedom of a variance over test images; infinite if they are many."""
    return min((metrics["image_df"] for metrics in trainings if "image_df" in metrics), default=math.inf)


def smoothing_of(trainings: Sequence[Metrics]) -> Smoothing | None:
    """Return the mean of what the interval of another metric adds; None for accuracy."""
    known = [one for metrics in trainings if (one := metrics.get("smoothing")) is not None]
    return Smoothing(*map(fmean, zip(*known, strict=True))) if known else None


def chance_trainings(ok: Sequence[Metrics]) -> float:
    """Count the sound trainings at chance level: the 95 % interval of the figure holds 1 / classes or less.

    That of an accuracy is exact, that of another metric the interval of a single training.
    NaN if the classes are unknown.
    """
    known = [metrics for metrics in ok if metrics.get("chance_level") and metrics["test_images"]]
    return sum(map(_at_chance, known)) if known or not ok else math.nan


def _at_chance(metrics: Metrics) -> bool:
    """Clopper & Pearson's (1934) lower end is not above the chance level."""
    smoothing, contributions = metrics.get("smoothing"), metrics.get("correct")
    if smoothing is not None and contributions is not None:
        side = network([figure_of(metrics, "test")], None, contributions[None])
        return comparison.accuracy(side, smoothing)[0] <= metrics["chance_level"]
    images = metrics["test_images"]
    right = round(metrics["test_accuracy"] * images)
    low = float(betaincinv(right, images - right + 1, (1 - CONFIDENCE) / 2)) if right else 0.0
    return bool(low <= metrics["chance_level"])


def needed(trainings: Sequence[Metrics]) -> list[Metrics]:
    """Return all trainings but those of entries that turned out not to be needed."""
    return [metrics for metrics in trainings if metrics["status"] != UNNEEDED]


def by_entry(trainings: Sequence[Metrics]) -> dict[str, list[Metrics]]:
    """Group trainings by entry, in the order given."""
    entries: dict[str, list[Metrics]] = {}
    for metrics in trainings:
        entries.setdefault(metrics["entry"], []).append(metrics)
    return entries


def sound(trainings: Sequence[Metrics]) -> list[Metrics]:
    """Return the trainings that neither diverged nor are missing."""
    return [metrics for metrics in trainings if metrics["status"] == "ok"]


def tested(trainings: Sequence[Metrics]) -> list[float]:
    """Return the test figures by the experiment's metric."""
    return [figure_of(metrics, "test") for metrics in trainings]


def validated(trainings: Sequence[Metrics]) -> float:
    """Return the mean of the known validation figures by the experiment's metric; NaN if there is none."""
    values = [value for metrics in trainings if (value := figure_of(metrics, "valid")) is not None]
    return fmean(values) if values else math.nan


def mean_of(trainings: Sequence[Metrics], key: str) -> float:
    """Return the mean of a figure over the trainings that have it; NaN if none has."""
    values = [metrics[key] for metrics in trainings if metrics[key] is not None]
    return fmean(values) if values else math.nan


def unit_of(metrics: Metrics) -> str:
    """Return the network of a record: `unit`, an entry of winners.csv, for lookups in a table, else its entry."""
    return str(metrics.get("unit") or metrics["entry"])


def network_of(metrics: Metrics) -> str:
    """Return the architecture of a record; lookups in a table have no trainings to share, so that each is its own."""
    if "unit" in metrics:
        return unit_of(metrics)
    alone = metrics.get("kind") == "from_nothing" or metrics["entry"] == PROBE
    # a network that starts or learns in another way than all others has trainings of its own
    if alone or not metrics.get("architecture"):
        return str(metrics["entry"])
    if metrics.get("weights") == SUPERNET:
        number = 0 if metrics["kind"] == "uniform" else metrics["entry"].rpartition("-")[2]
        return f"{metrics['architecture']} of the supernet of search seed {number}"
    return str(metrics["architecture"])


def strategy_of(metrics: Metrics) -> str:
    """Return the record's strategy, or `darts` for the entry `darts-0` and `random` for `random.2-0`; empty for an
    entry without a search."""
    if "strategy" in metrics:
        return str(metrics["strategy"])
    if metrics["kind"] in ("baseline", "largest", "pretrained", "from_nothing"):
        return ""
    return metrics["entry"].rpartition("-")[0].partition(".")[0]
