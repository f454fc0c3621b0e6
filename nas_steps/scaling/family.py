"""The tables of the scaling stage: the grid of triples, the chosen one, the members B0, B1, ..."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas_steps.config.schema import Scaling
from nas_steps.config.space import Network
from nas_steps.intervals import accuracy_interval
from nas_steps.scaling.compound import Factors, Member, scale
from nas_steps.scaling.winner import Measure

TRIPLES = (
    "index",
    "depth",
    "width",
    "resolution",
    "product",
    "cells",
    "channels",
    "side",
    "parameters",
    "macs",
    "macs_ratio",
)
GRID = ("index", "score", "status", "reason", "seconds")
MEMBERS = (
    "member",
    "phi",
    "depth",
    "width",
    "resolution",
    "cells",
    "channels",
    "side",
    "parameters",
    "macs",
    "within_budget",
)
FAMILY = (*MEMBERS, "trainings", "test_mean", "test_std", "test_low", "test_high", "status")


def describe_triples(scaling: Scaling, network: Network, side: int, measure: Measure) -> list[dict[str, Any]]:
    """Every triple of the grid with the real size of the network that phi = 1 gives."""
    base_macs = measure(network, side)[1]
    rows = []
    for index, triple in enumerate(scaling.triples()):
        factors = Factors(*triple)
        row = _described(factors, scale(network, side, factors, scaling.channel_divisor), measure)
        ratio = row["macs"] / base_macs
        rows.append({"index": index, **row, "product": factors.product, "macs_ratio": ratio})
    return rows


def choose(triples: Sequence[Mapping[str, str]], scores: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The triple of best validation accuracy; of equals the one with fewer MACs. With no sound score: the one whose
    MACs come nearest to twice the base's, and `why` says so."""
    by_index = {row["index"]: row for row in scores}
    sound = [triple for triple in triples if by_index.get(triple["index"], {}).get("status") == "ok"]
    if sound:
        best = min(sound, key=lambda row: (-float(by_index[row["index"]]["score"]), int(row["macs"])))
        score: float | None = float(by_index[best["index"]]["score"])
        why = f"highest validation accuracy of {len(sound)} triples after a short training at phi = 1"
    else:
        best = min(triples, key=lambda row: abs(float(row["macs_ratio"]) - 2))
        score, why = (
            None,
            "no training of the grid was sound; this triple's MACs come nearest to twice the base's",
        )
    return {
        "depth": float(best["depth"]),
        "width": float(best["width"]),
        "resolution": float(best["resolution"]),
        "product": float(best["product"]),
        "macs_ratio": float(best["macs_ratio"]),
        "score": score,
        "why": why,
        "tried": len(sound),
    }


def describe_members(
    scaling: Scaling, chosen: Factors, network: Network, side: int, measure: Measure
) -> list[dict[str, Any]]:
    """B0, B1, ...: the base scaled by the chosen triple to the power of phi = 0, 1, ..."""
    rows = []
    for phi in range(scaling.members):
        factors = chosen.power(phi)
        row = _described(factors, scale(network, side, factors, scaling.channel_divisor), measure)
        within = row["macs"] <= scaling.mac_budget
        rows.append({"member": f"B{phi}", "phi": phi, **row, "within_budget": "yes" if within else "no"})
    return rows


def _described(factors: Factors, member: Member, measure: Measure) -> dict[str, Any]:
    parameters, macs = measure(member.network, member.side)
    return {
        "depth": factors.depth,
        "width": factors.width,
        "resolution": factors.resolution,
        "cells": member.network.cells,
        "channels": member.network.channels,
        "side": member.side,
        "parameters": parameters,
        "macs": macs,
    }


def gather_family(
    members: Sequence[Mapping[str, str]],
    trainings: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """The members with the test accuracy of their trainings."""
    rows = []
    for member in members:
        mine = [metrics for metrics in trainings if metrics["entry"] == member["member"]]
        sound = [metrics["test_accuracy"] for metrics in mine if metrics["status"] == "ok"]
        test = accuracy_interval(sound)
        rows.append(
            {
                **member,
                "trainings": len(sound),
                "test_mean": test["mean"],
                "test_std": test["std"],
                "test_low": test["low"],
                "test_high": test["high"],
                "status": "ok" if sound else mine[0]["status"],
            }
        )
    return rows
