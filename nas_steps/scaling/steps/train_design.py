"""Train one network of the factorial and test it once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import FactorialSettings, read_settings
from nas_steps.provenance.files import read_csv
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.steps import parser, training_options
from nas_steps.scaling.factorial import entry_name
from nas_steps.scaling.winner import NO_WINNER, design_of

MODULE = "nas_steps.scaling train_design"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    training_options(options)
    options.add_argument("--designs", required=True, help="the designs of this seed")
    options.add_argument("--base", required=True)
    options.add_argument("--scaling", required=True)
    options.add_argument("--seed", type=int, required=True)
    options.add_argument("--output", required=True, help="folder")

    given = options.parse_args(arguments)
    step = read_settings(given.settings, FactorialSettings)
    output, name = Path(given.output), entry_name(given.base, given.scaling)
    cell = (given.base, given.scaling)
    row = next((row for row in read_csv(given.designs) if (row["base"], row["scaling"]) == cell), None)
    with measured(output / "cost.json", "scaling", f"{name}-s{given.seed}") as cost:
        from nas_steps.training.record import Entry, write_untrained

        if row is None:
            write_untrained(output, Entry(name, "factorial", ""), given.seed, status="missing", reason=NO_WINNER)
            return
        from nas_steps.training.final import final_job

        design = design_of(step.network, row)
        entry = Entry(name, "factorial", design.architecture)
        final_job(__name__, entry, step, given, cost, network=design.network, side=design.side)
