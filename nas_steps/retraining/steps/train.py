"""Train one entry by the final recipe and test it once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import TrainingSettings, read_settings
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.steps import parser, training_options
from nas_steps.retraining.entries import KINDS, constraints_of, entry_of, missing

MODULE = "nas_steps.retraining train"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    training_options(options)
    options.add_argument("--entry", required=True, help="a baseline's name, `largest`, or <strategy>-<search seed>")
    options.add_argument("--kind", required=True, choices=KINDS)
    options.add_argument(
        "--winners", help="winners.csv: a searched entry's architecture, or what a baseline is to match"
    )
    options.add_argument("--costs", help="costs.csv, for a uniform draw within limits")
    options.add_argument("--macs", type=float, help="the largest number of MACs of a baseline")
    options.add_argument("--parameters", type=float, help="the largest number of parameters of a baseline")
    options.add_argument("--seed", type=int, required=True, help="the training seed: 0, 1, ...")
    options.add_argument("--output", required=True, help="folder")

    given = options.parse_args(arguments)
    output = Path(given.output)
    step = read_settings(given.settings, TrainingSettings)
    with measured(output / "cost.json", "retraining", f"{given.entry}-s{given.seed}") as cost:
        constraints = constraints_of(given.macs, given.parameters)
        entry = entry_of(
            given.entry, given.kind, step, given.data, winners=given.winners, constraints=constraints, costs=given.costs
        )
        if not entry.architecture:
            from nas_steps.training.record import write_untrained

            write_untrained(output, entry, given.seed, status="missing", reason=missing(given.kind))
            return

        from nas_steps.training.final import final_job

        final_job(__name__, entry, step, given, cost)
