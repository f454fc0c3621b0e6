"""Train the supernet that all strategies of a search seed share."""

from __future__ import annotations

from nas_steps.errors import UserError
from nas_steps.provenance.files import write_csv
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.search.settings import SupernetSettings

HISTORY = ("epoch", "learning_rate", "paths", "train_loss", "train_accuracy", "seconds")


def main(task: Task) -> None:
    """Write the weights and the history. Raises UserError if the training diverges."""
    from nas_steps.data.store import read_meta
    from nas_steps.search.one_shot.scoring import write_weights
    from nas_steps.search.one_shot.training import train_supernet, training_images
    from nas_steps.training.job import training_job
    from nas_steps.training.loop import DivergedError
    from nas_steps.training.progress import Progress

    settings = task.read_settings(SupernetSettings)
    supernet = settings.supernet
    with (
        training_job(task, settings, processes=supernet.processes, seed=task.seed) as job,
        Progress(supernet.epochs, "supernet") as progress,
    ):
        meta = read_meta(task.data)
        images = training_images(
            task.data,
            job.device,
            share=supernet.images,
            side=supernet.resolution,
            seed=derive_seed(settings.seed, "images"),
        )
        try:
            network, rows, micro_batches = train_supernet(
                settings,
                images,
                inputs=meta.shape[0],
                classes=len(meta.classes),
                seed=derive_seed(settings.seed, "supernet", task.seed),
                progress=progress,
                checkpoint=job.checkpoints.of("supernet"),
            )
        except DivergedError as error:
            raise UserError(
                f"the supernet cannot be used: {error}; lower search.estimator.supernet.learning_rate"
            ) from None
        job.learnt_in(micro_batches)
        if job.writes:
            write_csv(task.output("history"), ({key: row.get(key) for key in HISTORY} for row in rows), HISTORY)
            write_weights(task.output("weights"), network)
