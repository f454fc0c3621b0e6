"""The architecture that is scaled, and how large its scaled networks are. Loads torch only to count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from nas_steps.config.space import Network
from nas_steps.data.store import Meta
from nas_steps.provenance.files import read_csv

NO_WINNER = "there is no winner to scale: no shortlisted architecture could be trained"

#: (network, side) -> (parameters, macs)
Measure = Callable[[Network, int], tuple[int, int]]


def winner(ranked: str | Path) -> str:
    """The first architecture of ranked.csv; empty where none could be trained."""
    rows = read_csv(ranked)
    return rows[0]["architecture"] if rows and rows[0]["status"] == "ok" else ""


def measure(architecture: str, meta: Meta) -> Measure:
    """A function that counts the winner's networks."""
    from nas_steps.models.build import size

    def counted(network: Network, side: int) -> tuple[int, int]:
        found = size(architecture, network, inputs=meta.shape[0], classes=len(meta.classes), side=side)
        return found.parameters, found.macs

    return counted


def network_of(base: Network, row: Mapping[str, str]) -> Network:
    """The skeleton that a row of triples.csv or members.csv describes."""
    return base.model_copy(update={"cells": int(row["cells"]), "channels": int(row["channels"])})
