"""Make the tables of the scaling stage: the grid of triples, the chosen one, the members with their times."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

import numpy as np

from nas_steps.config.scaling import Scaling
from nas_steps.errors import UserError
from nas_steps.intervals import accuracy_interval
from nas_steps.metrics import figure_of
from nas_steps.scaling.compound import Design, Factors, Measure, scale, triples
from nas_steps.scaling.winner import DESIGN, described
from nas_steps.spaces.mobile.efficientnet import PUBLISHED

FACTORS = ("depth", "width", "resolution")
SIZE = ("parameters", "macs")
TEST = ("test_mean", "test_std", "test_low", "test_high")
TIMES = ("train_seconds", "predicted_seconds", "predicted_seconds_error", "predicted_seconds_note")
TRIPLES = ("index", *FACTORS, "product", *DESIGN, *SIZE, "macs_ratio", "kept")
GRID = ("index", "score", "status", "reason", "seconds")
MEMBERS = (
    "member", "factors", "phi", *FACTORS, *DESIGN, "dropout", "drop_path", *SIZE, "activation_bytes", "within_budget"
)  # fmt: skip
FAMILY = (*MEMBERS, "trainings", *TEST, *TIMES, "warm_start", "status")
#: the fewest networks of different MACs for a line through their seconds, and for its error
FEWEST, FEWEST_FOR_ERROR = 2, 3
#: the phi of B7, over which dropout and drop path grow
LAST_PHI = 7
#: the side that EfficientNet-B0 was trained at, in pixels
B0_SIDE = PUBLISHED["efficientnet_b0"].resolution


def describe_triples(scaling: Scaling, base: Design, measure: Measure) -> list[dict[str, Any]]:
    """Describe the network of every triple at phi = 1. Raises UserError if none has about twice the base's MACs."""
    base_macs = measure(base)[1]
    rows = []
    for index, factors in enumerate(triples(scaling)):
        row = _sized(factors, scale(base, factors, scaling.channel_divisor), measure)
        ratio = row["macs"] / base_macs
        near = abs(ratio / 2 - 1) <= scaling.macs_tolerance + 1e-9
        kept = "yes" if near or scaling.factors == "published" else "no"
        rows.append({"index": index, **row, "product": factors.product, "macs_ratio": ratio, "kept": kept})
    if all(row["kept"] == "no" for row in rows):
        nearest = min(rows, key=lambda row: abs(row["macs_ratio"] - 2))
        low, high = (2 * (1 + sign * scaling.macs_tolerance) for sign in (-1, 1))
        raise UserError(
            f"none of the {len(rows)} triples of the grid gives a network of {low:g} to {high:g} times the winner's "
            f"MACs once channels, layers and pixels are whole. The nearest is depth {nearest['depth']:g}, width "
            f"{nearest['width']:g}, resolution {nearest['resolution']:g} with {nearest['macs_ratio']:g} times; lower "
            "scaling.channel_divisor, widen the grid (scaling.depth, width, resolution) or raise scaling.macs_tolerance"
        )
    return rows


def choose(rows: Sequence[Mapping[str, str]], scores: Sequence[Mapping[str, str]], factors: str) -> dict[str, Any]:
    """Choose the kept triple of best validation accuracy, then of fewest MACs; without a score by its MACs alone."""
    kept = [row for row in rows if row["kept"] == "yes"]
    score_of = {row["index"]: float(row["score"]) for row in scores if row["status"] == "ok"}
    sound = [row for row in kept if row["index"] in score_of]
    score: float | None = None
    if factors == "published":
        best, why = kept[0], "the paper's own triple; members go by the published table, which is no power of it"
    elif len(kept) == 1:
        best, why = kept[0], "the only triple whose network has about twice the winner's MACs"
    elif sound:
        best = min(sound, key=lambda row: (-score_of[row["index"]], int(row["macs"])))
        score = score_of[best["index"]]
        why = f"highest validation accuracy of {len(sound)} triples after a short training at phi = 1"
    else:
        best = min(kept, key=lambda row: abs(float(row["macs_ratio"]) - 2))
        why = "no training of the grid was sound; this triple's MACs come nearest to twice the base's"
    left_out = [
        {"triple": [float(row[key]) for key in FACTORS], "macs_ratio": float(row["macs_ratio"])}
        for row in rows
        if row["kept"] != "yes"
    ]
    figures = {key: float(best[key]) for key in (*FACTORS, "product", "macs_ratio")}
    return {"factors": factors, **figures, "score": score, "why": why, "tried": len(sound), "left_out": left_out}


def describe_members(
    scaling: Scaling,
    chosen: Factors,
    base: Design,
    measure: Measure,
    activations: Callable[[Design], int],
    drop_path: float = 0.0,
) -> list[dict[str, Any]]:
    """Scale the base to B0, B1, ...: by powers phi = 0, 1, ... of the chosen triple, or by the published table."""
    rows = []
    for number, (factors, dropout) in enumerate(_factors(scaling, chosen, base)):
        design = scale(base, factors, scaling.channel_divisor)
        if dropout is not None:
            design = design.with_dropout(dropout)
        phi = number if scaling.factors == "formula" else None
        row = _sized(factors, design, measure) | {"member": f"B{number}", "factors": scaling.factors, "phi": phi}
        row["drop_path"] = min(0.99, drop_path + scaling.drop_path_growth * number / LAST_PHI)
        row |= {"dropout": design.dropout, "activation_bytes": activations(design)}
        rows.append(row | {"within_budget": "yes" if row["macs"] <= scaling.mac_budget else "no"})
    return rows


def _factors(scaling: Scaling, chosen: Factors, base: Design) -> Iterator[tuple[Factors, float | None]]:
    """Yield the factors of each member, and its dropout if the base has one."""
    if scaling.factors == "published":
        for one in list(PUBLISHED.values())[: scaling.members]:
            yield Factors(one.depth, one.width, one.resolution / B0_SIDE), one.dropout
        return
    own = base.dropout
    for phi in range(scaling.members):
        yield chosen.power(phi), None if own is None else own + scaling.dropout_growth * phi / LAST_PHI


def _sized(factors: Factors, design: Design, measure: Measure) -> dict[str, Any]:
    return asdict(factors) | described(design) | dict(zip(SIZE, measure(design), strict=True))


def gather_family(members: Sequence[Mapping[str, str]], trainings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the members with their test accuracy, or other metric, and the seconds of one training."""
    rows, seconds = [], []
    for member in members:
        mine = [metrics for metrics in trainings if metrics["entry"] == member["member"]]
        sound = [metrics for metrics in mine if metrics["status"] == "ok"]
        seconds.append([metrics["train_seconds"] for metrics in sound])
        warm_start = next((metrics["warm_start"] for metrics in sound if metrics.get("warm_start")), "")
        status = "ok" if sound else mine[0]["status"]
        rows.append({**member, **tested(sound), "warm_start": warm_start, "status": status})
    times = predicted_times([int(member["macs"]) for member in members], seconds)
    return [row | time for row, time in zip(rows, times, strict=True)]


def tested(sound: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the number of sound trainings and the columns TEST of their accuracy."""
    test = accuracy_interval([figure_of(metrics, "test") for metrics in sound])
    return {"trainings": len(sound), **{f"test_{key}": value for key, value in test.items()}}


def predicted_times(macs: Sequence[int], seconds: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """Return each network's mean measured seconds of one training, and those on a line through all measured ones.

    `macs` and `seconds` (one for each training) are by network. The line is seconds = a + b * MACs with a, b >= 0,
    fitted to relative errors. Its error is the mean relative error on each trained network when left out; it does not
    cover larger networks.
    """
    means = [fmean(mine) if mine else None for mine in seconds]
    known = [(count, mean) for count, mean in zip(macs, means, strict=True) if mean]
    different = len({count for count, _ in known})
    line = error = None
    note = f"{len(known)} of the {FEWEST} trained networks that a line needs"
    if different >= FEWEST:
        line, note = fit(known), f"a line through {len(known)} networks, seconds against MACs"
        if different >= FEWEST_FOR_ERROR:
            misses = []
            for place, (count, measured) in enumerate(known):
                start, slope = fit(known[:place] + known[place + 1 :])
                misses.append(abs(start + slope * count - measured) / measured)
            error = fmean(misses)
        else:
            note += "; its error is not known"
    return [
        dict(zip(TIMES, (mean, None if line is None else line[0] + line[1] * count, error, note), strict=True))
        for count, mean in zip(macs, means, strict=True)
    ]


def fit(points: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Return start and slope, both at least 0, of the line with the least squares of relative errors."""
    macs, seconds = np.array(points, dtype=float).T
    weighted = np.stack([1 / seconds, macs / seconds], axis=1)
    start, slope = np.linalg.lstsq(weighted, np.ones(len(macs)), rcond=None)[0]
    if start >= 0 and slope >= 0:
        return float(start), float(slope)
    # a bound is active: the best line through the origin, or the best constant
    column = weighted[:, 1] if start < 0 else weighted[:, 0]
    only = float(column.sum() / (column**2).sum())
    return (0.0, only) if start < 0 else (only, 0.0)
