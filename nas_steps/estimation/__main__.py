"""Estimate one shard of proposed architectures by short training."""

from __future__ import annotations

from collections.abc import Sequence

from nas_steps.config.stages import TrainingStep, read_slice
from nas_steps.estimation.estimates import write_estimates
from nas_steps.provenance.files import canonical_json, read_csv
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.steps import parser, run, training_options

MODULE = "nas_steps.estimation"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    training_options(options)
    options.add_argument("--proposals", required=True, help="CSV with index and architecture")
    options.add_argument("--stage", required=True, choices=["search", "ranking"], help="whom the scores are for")
    options.add_argument("--seed", type=int, required=True, help="which repetition this is: 0, 1, ...")
    options.add_argument("--shard", type=int, required=True, help="this job's share of the proposals: 0, 1, ...")
    options.add_argument("--shards", type=int, required=True, help="number of shares")
    options.add_argument("--output", required=True, help="CSV of estimates")
    options.add_argument("--cost", required=True, help="JSON of what it cost")
    given = options.parse_args(arguments)
    step = read_slice(given.settings, TrainingStep)
    with measured(given.cost, given.stage, f"evaluate {given.output}") as cost:
        # an architecture can be proposed by several strategies; it is trained once
        proposals = {int(row["index"]): row["architecture"] for row in read_csv(given.proposals)}
        mine = [(index, text) for index, text in sorted(proposals.items()) if index % given.shards == given.shard]
        if mine:
            from nas_steps.estimation.short_training import short_training
            from nas_steps.training.job import training_job
            from nas_steps.training.networks import load_images

            with training_job(
                MODULE + ".__main__",
                step,
                given.output,
                cost,
                settings=given.settings,
                data=given.data,
                threads=given.threads,
                stage=given.stage,
                proposals=canonical_json(mine),
                seed=given.seed,
            ) as job:
                images = load_images(given.data, job.device)
                estimates = short_training(mine, step, images, stage=given.stage, seed=given.seed, job=job)
                write_estimates(given.output, estimates)
        else:
            write_estimates(given.output, [])


if __name__ == "__main__":
    run(main, MODULE)
