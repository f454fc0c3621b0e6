"""Train one member, where it is within the budget, and test it once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import ScalingSettings, read_settings
from nas_steps.provenance.files import read_csv, read_json
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.steps import parser, training_options
from nas_steps.scaling.winner import NO_WINNER, design_of

MODULE = "nas_steps.scaling train"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    training_options(options)
    options.add_argument("--chosen", required=True)
    options.add_argument("--members", required=True)
    options.add_argument("--member", required=True, help="B0, B1, ...")
    options.add_argument("--seed", type=int, required=True)
    options.add_argument("--output", required=True, help="folder")

    options.add_argument("--warm", help="folder of the next smaller member's training, to start from its weights")

    given = options.parse_args(arguments)
    step = read_settings(given.settings, ScalingSettings)
    output = Path(given.output)
    described = next((row for row in read_csv(given.members) if row["member"] == given.member), None)
    with measured(output / "cost.json", "scaling", f"{given.member}-s{given.seed}") as cost:
        from nas_steps.training.record import Entry, write_untrained

        if described is None:
            entry = Entry(given.member, "scaled", read_json(given.chosen)["architecture"] or "")
            write_untrained(output, entry, given.seed, status="missing", reason=NO_WINNER)
            return
        design = design_of(step.network, described)
        entry = Entry(given.member, "scaled", design.architecture)
        if described["within_budget"] != "yes":
            reason = (
                f"{int(described['macs']):,} MACs are above the budget of {step.scaling.mac_budget:,.0f} "
                "(scaling.mac_budget)"
            )
            known = {
                "network": design.network.model_dump(),
                "side": design.side,
                "parameters": int(described["parameters"]),
                "macs": int(described["macs"]),
            }
            write_untrained(output, entry, given.seed, status="over budget", reason=reason, **known)
            return

        from nas_steps.training.final import final_job
        from nas_steps.training.warm import WarmStart

        warm = WarmStart(Path(given.warm)) if given.warm else None
        if warm is not None and not warm.usable:
            print(f"{warm.metrics['entry']} is no start: {warm.metrics['reason']}; the weights are random", flush=True)
            warm = None
        recipe = step.recipe.model_copy(update={"drop_path": float(described["drop_path"])})
        step = step.model_copy(update={"recipe": recipe})
        final_job(__name__, entry, step, given, cost, network=design.network, side=design.side, warm=warm)
