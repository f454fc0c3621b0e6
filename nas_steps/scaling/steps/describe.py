"""List the grid's triples with the size that each gives the winner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nas_steps.config.settings import ScalingSettings, read_settings
from nas_steps.data.store import read_meta
from nas_steps.provenance.files import write_csv
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.steps import parser
from nas_steps.scaling import family
from nas_steps.scaling.compound import Design
from nas_steps.scaling.winner import measure, winner

MODULE = "nas_steps.scaling describe"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--data", required=True)
    options.add_argument("--ranked", required=True, help="ranked.csv; its first row is scaled")
    options.add_argument("--output", required=True, help="triples.csv")
    options.add_argument("--cost", required=True)

    given = options.parse_args(arguments)
    step = read_settings(given.settings, ScalingSettings)
    with measured(given.cost, "scaling", "describe"):
        architecture, meta = winner(given.ranked), read_meta(given.data)
        rows: list[dict[str, Any]] = []
        if architecture:
            base = Design(architecture, step.network, meta.shape[-1])
            rows = family.describe_triples(step.scaling, base, measure(meta))
        write_csv(given.output, rows, family.TRIPLES)
