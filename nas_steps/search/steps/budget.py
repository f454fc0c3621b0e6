"""Count each strategy's training cost and match random search to it."""

from __future__ import annotations

from collections.abc import Sequence

from nas_steps.config.settings import BudgetSettings, read_settings
from nas_steps.data.store import read_meta
from nas_steps.provenance.files import write_json
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.steps import parser
from nas_steps.spaces.constraints import constrained_space

MODULE = "nas_steps.search budget"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--data", required=True, help="folder of the prepared data")
    options.add_argument("--costs", help="costs.csv, where the search keeps limits")
    options.add_argument("--output", required=True, help="budget.json")
    options.add_argument("--cost", required=True)

    given = options.parse_args(arguments)
    with measured(given.cost, "search", "budget") as cost:
        from nas_steps.search.budget import budget

        cost.loaded()

        meta = read_meta(given.data)
        channels, side, _ = meta.shape
        step = read_settings(given.settings, BudgetSettings)
        space = constrained_space(step.space.declared(), step.constraints, given.costs)
        shape = {"inputs": channels, "classes": len(meta.classes), "side": side}
        found = budget(step, **shape, images=meta.size("train"), valid=meta.size("valid"), within=space)
        write_json(given.output, found)
