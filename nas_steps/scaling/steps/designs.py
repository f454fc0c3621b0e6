"""List the networks of one repetition of the factorial, with the size of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nas_steps.config.settings import FactorialSettings, read_settings
from nas_steps.data.store import read_meta
from nas_steps.provenance.files import read_json, write_csv
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.steps import parser
from nas_steps.scaling.compound import Factors
from nas_steps.scaling.factorial import DESIGNS, base_architectures, describe_designs
from nas_steps.scaling.winner import measure
from nas_steps.spaces.constraints import constrained_space

MODULE = "nas_steps.scaling designs"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--data", required=True)
    options.add_argument("--chosen", required=True, help="chosen.json: the winner and the triple")
    options.add_argument("--costs", help="costs.csv, where the search has limits")
    options.add_argument("--seed", type=int, required=True)
    options.add_argument("--output", required=True, help="a CSV file")
    options.add_argument("--cost", required=True)

    given = options.parse_args(arguments)
    step = read_settings(given.settings, FactorialSettings)
    chosen = read_json(given.chosen)
    with measured(given.cost, "scaling", f"factorial designs {given.seed}"):
        rows: list[dict[str, Any]] = []
        if chosen["architecture"]:
            meta = read_meta(given.data)
            triple = Factors(chosen["depth"], chosen["width"], chosen["resolution"])
            side = meta.shape[-1]
            bases = base_architectures(
                step.factorial,
                chosen["architecture"],
                constrained_space(step.space.declared(), step.constraints, given.costs),
                side,
                seed=step.seed,
                repetition=given.seed,
            )
            rows = describe_designs(step.factorial, bases, triple, step.network, side, measure(meta))
        write_csv(given.output, rows, DESIGNS)
