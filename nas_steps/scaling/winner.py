"""Find the architecture that is scaled, and count its scaled networks. Loads torch only to count."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from nas_steps.config.space import Network
from nas_steps.data.store import Meta
from nas_steps.facts import FEWEST_SEARCHES, WINNER
from nas_steps.provenance.files import number, read_csv
from nas_steps.scaling.compound import Design, Measure

NO_WINNER = "there is no winner to scale: no shortlisted architecture could be trained"

#: the columns of a design
DESIGN = ("cells", "channels", "reductions", "side", "architecture")


def winner(ranked: str | Path) -> str:
    """Return the first architecture of ranked.csv; empty if none could be trained."""
    rows = read_csv(ranked)
    return rows[0]["architecture"] if rows and rows[0]["status"] == "ok" else ""


def best_of(network: str, winners: Sequence[Mapping[str, str]]) -> str:
    """Return the architecture of the best ranked winner of a strategy, of all searches if `network` is WINNER.

    `winners` are rows of winners.csv. Of all searches a searched winner goes before a random one. Empty without one.
    """
    if network == WINNER:
        mine = [row for row in winners if row["kind"] == "searched"] or list(winners)
    else:
        mine = [row for row in winners if row["strategy"] == network]
    mine = [row for row in mine if row["architecture"]]
    return max(mine, key=lambda row: number(row["score"]))["architecture"] if mine else ""


def searches_of(architecture: str, winners: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Return the winners of all searches of the strategy that found `architecture`, by search seed.

    `winners` are rows of winners.csv. Empty if fewer than FEWEST_SEARCHES searches have one: a few others would not
    tell how the strategy varies. A searching strategy goes before random search, whose smaller budgets do not count.
    """
    whole = [row for row in winners if row["entry"] == f"{row['strategy']}-{row['search_seed']}"]
    finders = [row for row in whole if row["architecture"] == architecture]
    if not finders:
        return []
    strategy = min(finders, key=lambda row: row["kind"] == "random")["strategy"]
    mine = sorted((row for row in whole if row["strategy"] == strategy), key=lambda row: int(row["search_seed"]))
    return mine if len(mine) >= FEWEST_SEARCHES else []


def measure(meta: Meta) -> Measure:
    """Return a function that counts designs, each once."""
    from nas_steps.models.build import size

    known: dict[tuple[str, str, int], tuple[int, int]] = {}

    def counted(design: Design) -> tuple[int, int]:
        key = (design.architecture, design.network.model_dump_json(), design.side)
        if key not in known:
            inputs, classes = meta.shape[0], len(meta.classes)
            counts = size(design.architecture, design.network, inputs=inputs, classes=classes, side=design.side)
            known[key] = counts.parameters, counts.macs
        return known[key]

    return counted


def activations(meta: Meta) -> Callable[[Design], int]:
    """Return a function that counts the bytes of a design's activations."""
    from nas_steps.models.build import build
    from nas_steps.models.count import activation_bytes

    inputs, classes = meta.shape[0], len(meta.classes)

    def counted(design: Design) -> int:
        network = partial(build, design.architecture, design.network, inputs=inputs, classes=classes, side=design.side)
        return activation_bytes(network, inputs=inputs, side=design.side)

    return counted


def described(design: Design) -> dict[str, Any]:
    """Return a design as the columns DESIGN; those of the skeleton are empty if it has no cells."""
    network, cells = design.network, design.family == "cells"
    return {
        "cells": network.cells if cells else None,
        "channels": network.channels if cells else None,
        "reductions": " ".join(map(str, network.reductions or ())) if cells else "",
        "side": design.side,
        "architecture": design.architecture,
    }


def design_of(network: Network, row: Mapping[str, str]) -> Design:
    """Return the design of a row of triples.csv, members.csv or the factorial's designs."""
    if row["cells"]:
        reductions = [int(place) for place in row["reductions"].split()] or None
        changes = {"cells": int(row["cells"]), "channels": int(row["channels"]), "reductions": reductions}
        network = network.model_copy(update=changes)
    return Design(row["architecture"], network, int(row["side"]))
