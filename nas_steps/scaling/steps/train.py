"""Train one member, where it is within the budget, and test it once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.stages import ScalingStep, read_slice
from nas_steps.provenance.files import read_csv, read_json
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.steps import parser, training_options
from nas_steps.scaling.winner import NO_WINNER, network_of

MODULE = "nas_steps.scaling train"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    training_options(options)
    options.add_argument("--chosen", required=True)
    options.add_argument("--members", required=True)
    options.add_argument("--member", required=True, help="B0, B1, ...")
    options.add_argument("--seed", type=int, required=True)
    options.add_argument("--output", required=True, help="folder")

    given = options.parse_args(arguments)
    step = read_slice(given.settings, ScalingStep)
    output = Path(given.output)
    architecture = read_json(given.chosen)["architecture"]
    described = next((row for row in read_csv(given.members) if row["member"] == given.member), None)
    with measured(output / "cost.json", "scaling", f"{given.member}-s{given.seed}") as cost:
        from nas_steps.training.record import Entry, write_untrained

        entry = Entry(given.member, "scaled", architecture or "")
        if described is None:
            write_untrained(output, entry, given.seed, status="missing", reason=NO_WINNER)
            return
        network, side = network_of(step.network, described), int(described["side"])
        if described["within_budget"] != "yes":
            reason = (
                f"{int(described['macs']):,} MACs are above the budget of {step.scaling.mac_budget:,.0f} "
                "(scaling.mac_budget)"
            )
            known = {
                "network": network.model_dump(),
                "side": side,
                "parameters": int(described["parameters"]),
                "macs": int(described["macs"]),
            }
            write_untrained(output, entry, given.seed, status="over budget", reason=reason, **known)
            return

        from nas_steps.training.final import final_job

        final_job(__name__, entry, step, given, cost, network=network, side=side)
