"""Train a share of the triples for a short while."""

from nas_steps.provenance.files import canonical_json, read_csv, write_csv
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.scaling import family
from nas_steps.scaling.settings import ScalingSettings
from nas_steps.scaling.winner import design_of, winner


def main(task: Task) -> None:
    """Write the score of each triple of this shard."""
    settings = task.read_settings(ScalingSettings)
    architecture = winner(task.ranked)
    kept = [row for row in read_csv(task.triples) if row["kept"] == "yes"]
    # one alone is chosen without a training
    mine = kept[task.shard :: int(task.shards)] if len(kept) > 1 else []
    if not (architecture and mine):
        write_csv(task.output("scores"), [], family.GRID)
        return
    from nas_steps.training.job import training_job
    from nas_steps.training.networks import load_images, train_network
    from nas_steps.training.progress import Progress

    epochs, triples = settings.recipe.epochs, canonical_json(mine)
    with (
        training_job(task, settings, task.output("scores"), architecture=architecture, triples=triples) as job,
        Progress(len(mine) * epochs, f"{len(mine)} triples") as progress,
    ):
        finished = job.finished("triples")
        progress.resume(len(finished.rows) * epochs)
        for row in mine[len(finished.rows) :]:
            checkpoint = job.checkpoints.of(f"triple-{row['index']}")
            design = design_of(settings.network, row)
            trained = train_network(
                design.architecture,
                design.network,
                settings.recipe,
                load_images(task.data, job.device, side=design.side, metric=settings.metric),
                seed=derive_seed(settings.seed, "scaling grid"),
                progress=progress,
                checkpoint=checkpoint,
            )
            job.learnt_in(trained.micro_batches)
            score = {"index": row["index"], "score": trained.last("valid_metric"), "status": trained.status}
            score |= {"reason": trained.reason, "seconds": round(trained.seconds, 3)}
            finished.add(score, of=checkpoint)
        write_csv(task.output("scores"), finished.rows, family.GRID)
