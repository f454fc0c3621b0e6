"""Train one entry by the final recipe and test it once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.stages import TrainingStep, read_slice
from nas_steps.provenance.files import read_csv
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.steps import parser, training_options

MODULE = "nas_steps.retraining train"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    training_options(options)
    options.add_argument("--entry", required=True, help="a baseline's name, or <strategy>-<search seed>")
    options.add_argument("--kind", required=True, choices=["searched", "random", "baseline"])
    options.add_argument("--winners", help="winners.csv, where the architecture of a searched entry stands")
    options.add_argument("--seed", type=int, required=True, help="the training seed: 0, 1, ...")
    options.add_argument("--output", required=True, help="folder")

    given = options.parse_args(arguments)
    output = Path(given.output)
    step = read_slice(given.settings, TrainingStep)
    with measured(output / "cost.json", "retraining", f"{given.entry}-s{given.seed}") as cost:
        from nas_steps.training.record import Entry, write_untrained

        architecture = given.entry if given.kind == "baseline" else _winner(given.winners, given.entry)
        entry = Entry(given.entry, given.kind, architecture)
        if not architecture:
            reason = "none of the architectures that this search proposed could be trained"
            write_untrained(output, entry, given.seed, status="missing", reason=reason)
            return

        from nas_steps.training.final import final_job

        final_job(__name__, entry, step, given, cost)


def _winner(path: str, entry: str) -> str:
    """The entry's architecture; empty where its search has no winner."""
    return next((row["architecture"] for row in read_csv(path) if row["entry"] == entry), "")
