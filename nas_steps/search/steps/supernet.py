"""Train the supernet that all strategies of a search seed share."""

from typing import Any

from nas_steps.errors import UserError
from nas_steps.provenance.files import write_csv
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.search.settings import SupernetSettings
from nas_steps.spaces.declare import declared

HISTORY = ("epoch", "learning_rate", "paths", "train_loss", "train_accuracy", "seconds")


def main(task: Task) -> None:
    """Write the weights and the history. Raises UserError if the training diverges."""
    from nas_steps.data.sizes import sizes_of
    from nas_steps.models.cells.kernels.library import code_for
    from nas_steps.models.pretrained import pretrained
    from nas_steps.search.one_shot.scoring import write_weights
    from nas_steps.search.one_shot.training import train_supernet, training_images
    from nas_steps.training.job import training_job
    from nas_steps.training.loop import DivergedError
    from nas_steps.training.progress import Progress

    settings = task.read_settings(SupernetSettings)
    supernet, start = settings.supernet, pretrained(task.weights)
    started: dict[str, Any] = {} if start is None else {"weights": start.key()}
    with (
        training_job(task, settings, processes=supernet.processes, seed=task.seed, **started) as job,
        Progress(supernet.epochs, "supernet") as progress,
    ):
        if supernet.processes == 1:
            job.trained_by(code_for(declared(settings.space), job.device))
        shape, drawn = sizes_of(task.data).shape, derive_seed(settings.seed, "images")
        images = training_images(task.data, job.device, share=supernet.images, side=supernet.resolution, seed=drawn)
        seed = derive_seed(settings.seed, "supernet", task.seed)
        how: dict[str, Any] = {"inputs": shape.inputs, "classes": shape.classes, "seed": seed}
        how |= {"progress": progress, "checkpoint": job.checkpoints.of("supernet")}
        if start is not None:
            how["initial"] = start.start_supernet
        try:
            network, rows, micro_batches = train_supernet(settings, images, **how)
        except DivergedError as error:
            advice = "lower search.estimator.supernet.learning_rate"
            raise UserError(f"the supernet cannot be used: {error}; {advice}") from None
        job.learnt_in(micro_batches)
        if job.writes:
            write_csv(task.output("history"), ({key: row.get(key) for key in HISTORY} for row in rows), HISTORY)
            write_weights(task.output("weights"), network)
