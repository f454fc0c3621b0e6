"""Look at a trained supernet: accuracies of a fixed sample of architectures, before and after batch norms are
re-estimated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import SharedSettings, read_settings
from nas_steps.provenance.files import write_csv, write_json
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.steps import parser, training_options

MODULE = "nas_steps.search supernet_statistics"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    training_options(options)
    options.add_argument("--weights", required=True, help="weights.safetensors of the supernet")
    options.add_argument("--output", required=True, help="statistics.csv; statistics.json comes to lie beside it")
    options.add_argument("--cost", required=True)
    given = options.parse_args(arguments)
    output = Path(given.output)
    step = read_settings(given.settings, SharedSettings)
    with measured(given.cost, "supernet", f"{output.parent.name} statistics") as cost:
        from nas_steps.search.one_shot.scoring import load_scorer, measure
        from nas_steps.search.one_shot.statistics import COLUMNS, look, sample, summary
        from nas_steps.training.job import training_job

        with training_job(
            __name__, step, output, cost, settings=given.settings, data=given.data, device=given.device
        ) as job:
            scorer = load_scorer(step, given.data, given.weights, job.device)
            architectures = sample(step.space.declared(), step.seed)
            rows = look(scorer, architectures)
            for row, architecture in zip(rows, architectures, strict=True):
                row |= vars(measure(step, architecture, given.data))
            write_csv(output, rows, COLUMNS)
            write_json(output.with_suffix(".json"), summary(rows))
