"""Train this shard's triples for a short while."""

from __future__ import annotations

from collections.abc import Sequence

from nas_steps.config.settings import ScalingSettings, read_settings
from nas_steps.provenance.files import canonical_json, read_csv, write_csv
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.steps import parser, training_options
from nas_steps.scaling import family
from nas_steps.scaling.winner import design_of, winner

MODULE = "nas_steps.scaling grid"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    training_options(options)
    options.add_argument("--ranked", required=True)
    options.add_argument("--triples", required=True)
    options.add_argument("--shard", type=int, required=True)
    options.add_argument("--shards", type=int, required=True)
    options.add_argument("--output", required=True)
    options.add_argument("--cost", required=True)

    given = options.parse_args(arguments)
    step = read_settings(given.settings, ScalingSettings)
    architecture = winner(given.ranked)
    kept = family.kept_triples(read_csv(given.triples))
    # one alone is chosen without a training
    mine = kept[given.shard :: given.shards] if len(kept) > 1 else []
    with measured(given.cost, "scaling", f"grid {given.shard}") as cost:
        if not (architecture and mine):
            write_csv(given.output, [], family.GRID)
            return
        from nas_steps.training.job import training_job
        from nas_steps.training.networks import load_images, train_network
        from nas_steps.training.progress import Progress

        with (
            training_job(
                __name__,
                step,
                given.output,
                cost,
                settings=given.settings,
                data=given.data,
                device=given.device,
                architecture=architecture,
                triples=canonical_json(mine),
            ) as job,
            Progress(len(mine) * step.recipe.epochs, f"{len(mine)} triples") as progress,
        ):
            finished = job.finished("triples")
            progress.resume(len(finished.rows) * step.recipe.epochs)
            for row in mine[len(finished.rows) :]:
                checkpoint = job.checkpoints.of(f"triple-{row['index']}")
                design = design_of(step.network, row)
                trained = train_network(
                    design.architecture,
                    design.network,
                    step.recipe,
                    load_images(given.data, job.device, side=design.side),
                    seed=derive_seed(step.seed, "scaling grid"),
                    progress=progress,
                    checkpoint=checkpoint,
                )
                job.learnt_in(trained.parts)
                score = {
                    "index": row["index"],
                    "score": trained.last("valid_accuracy"),
                    "status": trained.status,
                    "reason": trained.reason,
                    "seconds": round(trained.seconds, 3),
                }
                finished.add(score, of=checkpoint)
            write_csv(given.output, finished.rows, family.GRID)
