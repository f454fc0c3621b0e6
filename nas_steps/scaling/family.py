"""The tables of the scaling stage: the grid of triples, the chosen one, the members B0, B1, ..."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nas_steps.config.scaling import Scaling
from nas_steps.errors import UserError
from nas_steps.intervals import accuracy_interval
from nas_steps.scaling.compound import Design, Factors, Measure, scale
from nas_steps.scaling.timing import TIMES, predicted_times
from nas_steps.scaling.winner import DESIGN, described
from nas_steps.spaces.mobile.efficientnet import PUBLISHED, triples

FACTORS = ("depth", "width", "resolution")
SIZE = ("parameters", "macs")
TRIPLES = ("index", *FACTORS, "product", *DESIGN, *SIZE, "macs_ratio", "kept")
GRID = ("index", "score", "status", "reason", "seconds")
MEMBERS = (
    "member",
    "factors",
    "phi",
    *FACTORS,
    *DESIGN,
    "dropout",
    "drop_path",
    *SIZE,
    "activation_bytes",
    "within_budget",
)
FAMILY = (
    *MEMBERS,
    "trainings",
    "test_mean",
    "test_std",
    "test_low",
    "test_high",
    *TIMES,
    "warm_start",
    "status",
)
#: the phi of B7, over which dropout and drop path grow
LAST_PHI = 7
#: the side that EfficientNet-B0 was trained at, in pixels
B0_SIDE = PUBLISHED["efficientnet_b0"].resolution


def describe_triples(scaling: Scaling, base: Design, measure: Measure) -> list[dict[str, Any]]:
    """Every triple of the grid with the real size of the network that phi = 1 gives, and whether it is `kept`: its
    MACs are near twice the base's.

    UserError where none is kept. The paper's triple, for members of the published table, is kept as it is.
    """
    base_macs = measure(base)[1]
    rows = []
    grid = triples(scaling.factors, scaling.depth, scaling.width, scaling.resolution, scaling.tolerance)
    for index, triple in enumerate(grid):
        factors = Factors(*triple)
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


def kept_triples(triples: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The rows of triples.csv that can be chosen."""
    return [row for row in triples if row["kept"] == "yes"]


def choose(triples: Sequence[Mapping[str, str]], scores: Sequence[Mapping[str, str]], label: str) -> dict[str, Any]:
    """The kept triple of best validation accuracy; of equals the one with fewer MACs.

    A single one needs no training. With no sound score of several: the one whose MACs come nearest to twice the
    base's. `why` says what happened; `label` is scaling.factors.
    """
    kept, by_index = kept_triples(triples), {row["index"]: row for row in scores}
    sound = [triple for triple in kept if by_index.get(triple["index"], {}).get("status") == "ok"]
    score: float | None = None
    if label == "published":
        best, why = kept[0], "the paper's own triple; members go by the published table, which is no power of it"
    elif len(kept) == 1:
        best, why = kept[0], "the only triple whose network has about twice the winner's MACs"
    elif sound:
        best = min(sound, key=lambda row: (-float(by_index[row["index"]]["score"]), int(row["macs"])))
        score = float(by_index[best["index"]]["score"])
        why = f"highest validation accuracy of {len(sound)} triples after a short training at phi = 1"
    else:
        best = min(kept, key=lambda row: abs(float(row["macs_ratio"]) - 2))
        why = "no training of the grid was sound; this triple's MACs come nearest to twice the base's"
    return {
        "factors": label,
        "depth": float(best["depth"]),
        "width": float(best["width"]),
        "resolution": float(best["resolution"]),
        "product": float(best["product"]),
        "macs_ratio": float(best["macs_ratio"]),
        "score": score,
        "why": why,
        "tried": len(sound),
        "left_out": [
            {"triple": [float(row[key]) for key in FACTORS], "macs_ratio": float(row["macs_ratio"])}
            for row in triples
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
    """B0, B1, ...: the base scaled by the chosen triple to the power of phi = 0, 1, ..., or by the published table.

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
    """The factors of each member, and its dropout where the base has one."""
    if scaling.factors == "published":
        for one in list(PUBLISHED.values())[: scaling.members]:
            yield Factors(one.depth, one.width, one.resolution / B0_SIDE), one.dropout
        return
    own = base.dropout
    for phi in range(scaling.members):
        yield chosen.power(phi), None if own is None else own + scaling.dropout_growth * phi / LAST_PHI


def _sized(factors: Factors, design: Design, measure: Measure) -> dict[str, Any]:
    parameters, macs = measure(design)
    return {
        "depth": factors.depth,
        "width": factors.width,
        "resolution": factors.resolution,
        **described(design),
        "parameters": parameters,
        "macs": macs,
    }


def gather_family(
    members: Sequence[Mapping[str, str]],
    trainings: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """The members with the test accuracy of their trainings, and the time that one training takes or would take."""
    rows = []
    for member in members:
        mine = [metrics for metrics in trainings if metrics["entry"] == member["member"]]
        sound = [metrics for metrics in mine if metrics["status"] == "ok"]
        test = accuracy_interval([metrics["test_accuracy"] for metrics in sound])
        rows.append(
            {
                **member,
                "trainings": len(sound),
                "test_mean": test["mean"],
                "test_std": test["std"],
                "test_low": test["low"],
                "test_high": test["high"],
                "warm_start": next((metrics["warm_start"] for metrics in sound if metrics.get("warm_start")), ""),
                "status": "ok" if sound else mine[0]["status"],
            }
        )
    seconds = {
        member["member"]: [
            metrics["train_seconds"]
            for metrics in trainings
            if metrics["entry"] == member["member"] and metrics["status"] == "ok"
        ]
        for member in members
    }
    macs = [int(member["macs"]) for member in members]
    return [row | time for row, time in zip(rows, predicted_times(macs, list(seconds.values())), strict=True)]
