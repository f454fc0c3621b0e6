"""Make the tables of the scaling stage: the grid of triples, the chosen one, the members B0, B1, ..."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from nas_steps.config.scaling import Scaling
from nas_steps.errors import UserError
from nas_steps.intervals import accuracy_interval
from nas_steps.scaling.compound import Design, Factors, Measure, scale, triples
from nas_steps.scaling.timing import TIMES, predicted_times
from nas_steps.scaling.winner import DESIGN, described
from nas_steps.spaces.mobile.efficientnet import PUBLISHED

FACTORS = ("depth", "width", "resolution")
SIZE = ("parameters", "macs")
TEST = ("test_mean", "test_std", "test_low", "test_high")
TRIPLES = ("index", *FACTORS, "product", *DESIGN, *SIZE, "macs_ratio", "kept")
GRID = ("index", "score", "status", "reason", "seconds")
MEMBERS = (
    "member", "factors", "phi", *FACTORS, *DESIGN, "dropout", "drop_path", *SIZE, "activation_bytes", "within_budget"
)  # fmt: skip
FAMILY = (*MEMBERS, "trainings", *TEST, *TIMES, "warm_start", "status")
#: the phi of B7, over which dropout and drop path grow
LAST_PHI = 7
#: the side that EfficientNet-B0 was trained at, in pixels
B0_SIDE = PUBLISHED["efficientnet_b0"].resolution


def describe_triples(scaling: Scaling, base: Design, measure: Measure) -> list[dict[str, Any]]:
    """Return every triple of the grid with the real size of its network at phi = 1.

    It is `kept` if its MACs are near twice the base's; the paper's triple, for members of the published table, always.
    Raises UserError if none is kept.
    """
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


def kept_triples(rows: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Return the rows of triples.csv that can be chosen."""
    return [row for row in rows if row["kept"] == "yes"]


def choose(rows: Sequence[Mapping[str, str]], scores: Sequence[Mapping[str, str]], factors: str) -> dict[str, Any]:
    """Choose the kept triple of best validation accuracy; of equals the one with fewer MACs.

    A single one needs no training. If several have no sound score, the one whose MACs come nearest to twice the base's
    is chosen. `why` gives the reason; `rows` are those of triples.csv, `factors` is scaling.factors.
    """
    kept = kept_triples(rows)
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
    return {
        "factors": factors,
        **{key: float(best[key]) for key in (*FACTORS, "product", "macs_ratio")},
        "score": score,
        "why": why,
        "tried": len(sound),
        "left_out": [
            {"triple": [float(row[key]) for key in FACTORS], "macs_ratio": float(row["macs_ratio"])}
            for row in rows
            if row["kept"] != "yes"
        ],
    }


def describe_members(
    scaling: Scaling,
    chosen: Factors,
    base: Design,
    measure: Measure,
    activations: Callable[[Design], int],
    drop_path: float = 0.0,
) -> list[dict[str, Any]]:
    """Scale the base to B0, B1, ...: by powers phi = 0, 1, ... of the chosen triple, or by the published table.

    `drop_path` is the recipe's, which grows by scaling.drop_path_growth.
    """
    rows = []
    for number, (factors, dropout) in enumerate(_factors(scaling, chosen, base)):
        design = scale(base, factors, scaling.channel_divisor)
        if dropout is not None:
            design = design.with_dropout(dropout)
        row = _sized(factors, design, measure)
        rows.append(
            {
                "member": f"B{number}",
                "factors": scaling.factors,
                "phi": number if scaling.factors == "formula" else None,
                **row,
                "dropout": design.dropout,
                "drop_path": min(0.99, drop_path + scaling.drop_path_growth * number / LAST_PHI),
                "activation_bytes": activations(design),
                "within_budget": "yes" if row["macs"] <= scaling.mac_budget else "no",
            }
        )
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
    """Return the members with the test accuracy of their trainings, and the measured or predicted time of one."""
    rows, seconds = [], []
    for member in members:
        mine = [metrics for metrics in trainings if metrics["entry"] == member["member"]]
        sound = [metrics for metrics in mine if metrics["status"] == "ok"]
        seconds.append([metrics["train_seconds"] for metrics in sound])
        rows.append(
            {
                **member,
                **tested(sound),
                "warm_start": next((metrics["warm_start"] for metrics in sound if metrics.get("warm_start")), ""),
                "status": "ok" if sound else mine[0]["status"],
            }
        )
    times = predicted_times([int(member["macs"]) for member in members], seconds)
    return [row | time for row, time in zip(rows, times, strict=True)]


def tested(sound: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the number of sound trainings and the columns TEST: mean, deviation and interval of their accuracy."""
    test = accuracy_interval([metrics["test_accuracy"] for metrics in sound])
    return {"trainings": len(sound), **{f"test_{key}": value for key, value in test.items()}}
