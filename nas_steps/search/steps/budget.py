"""Count each strategy's training cost and match random search to it."""

from __future__ import annotations

from collections.abc import Sequence

from nas_steps.config.stages import BudgetStep, read_slice
from nas_steps.data.store import read_meta
from nas_steps.provenance.files import write_json
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.steps import parser

MODULE = "nas_steps.search budget"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--data", required=True, help="folder of the prepared data")
    options.add_argument("--output", required=True, help="budget.json")
    options.add_argument("--cost", required=True)

    given = options.parse_args(arguments)
    with measured(given.cost, "search", "budget") as cost:
        from nas_steps.search.budget import budget

        cost.loaded()

        meta = read_meta(given.data)
        channels, side, _ = meta.shape
        step = read_slice(given.settings, BudgetStep)
        found = budget(
            step,
            inputs=channels,
            classes=len(meta.classes),
            side=side,
            images=meta.size("train"),
            valid=meta.size("valid"),
        )
        write_json(given.output, found)
