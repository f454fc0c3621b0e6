"""Search by a controller over shared weights: ENAS."""

from __future__ import annotations

from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.search.settings import EnasSettings
from nas_steps.search.tables import write_candidates, write_history
from nas_steps.spaces.declare import declared


def main(task: Task) -> None:
    """Write the history and the candidates of one search."""
    import torch

    from nas_steps.search.enas import enas
    from nas_steps.search.one_shot.networks import shared_network
    from nas_steps.training.job import training_job
    from nas_steps.training.networks import load_images
    from nas_steps.training.progress import Progress

    settings = task.read_settings(EnasSettings)
    strategy, seed = settings.strategy, derive_seed(settings.seed, "search", task.strategy, task.seed)
    with (
        training_job(task, settings, strategy=task.strategy, seed=task.seed) as job,
        Progress(strategy.epochs, "supernet and controller") as progress,
    ):
        images, space = load_images(task.data, job.device), declared(settings.space)
        assert images.valid is not None  # the controller learns from validation images
        torch.manual_seed(derive_seed(seed, "initialisation"))
        network = shared_network(
            space,
            settings.network,
            inputs=images.meta.shape[0],
            classes=len(images.meta.classes),
            entangled=strategy.entangled,
        ).to(job.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        result = enas(
            strategy,
            network,
            space,
            images.train,
            images.valid,
            seed=seed,
            progress=progress,
            checkpoint=job.checkpoints.of("enas"),
        )
        if result.reason:
            print(f"the search ended early: {result.reason}", flush=True)
        job.learnt_in(result.parts)
        write_history(task.output("history"), result.history)
        scored = [(architecture, score, "shared_weights") for architecture, score in result.candidates]
        write_candidates(task.output("candidates"), scored)
