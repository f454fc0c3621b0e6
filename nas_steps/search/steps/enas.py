"""Search by a controller over shared weights: ENAS."""

from typing import Any

from nas_steps.provenance.files import write_csv
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.search.settings import EnasSettings
from nas_steps.search.tables import HISTORY, write_candidates
from nas_steps.spaces.declare import declared


def main(task: Task) -> None:
    import torch

    from nas_steps.models.cells.kernels.library import code_for
    from nas_steps.models.pretrained import pretrained
    from nas_steps.search.enas import enas
    from nas_steps.search.one_shot.networks import shared_network
    from nas_steps.training.job import training_job
    from nas_steps.training.networks import load_images
    from nas_steps.training.progress import Progress

    settings = task.read_settings(EnasSettings)
    start = pretrained(task.weights)
    started: dict[str, Any] = {} if start is None else {"weights": start.key()}
    strategy, seed = settings.strategy, derive_seed(settings.seed, "search", task.strategy, task.seed)
    with (
        training_job(task, settings, strategy=task.strategy, seed=task.seed, **started) as job,
        Progress(strategy.epochs, "supernet and controller") as progress,
    ):
        images, space = load_images(task.data, job.device), declared(settings.space)
        job.trained_by(code_for(space, job.device))
        assert images.valid is not None  # the controller learns from validation images
        torch.manual_seed(derive_seed(seed, "initialisation"))
        shape: dict[str, Any] = {"inputs": images.meta.shape[0], "classes": len(images.meta.classes)}
        shape |= {"entangled": strategy.entangled, "metric": settings.metric}
        network = shared_network(space, settings.network, **shape)
        if start is not None:
            start.start_supernet(network.supernet)
        network = network.to(job.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        how: dict[str, Any] = {"seed": seed, "progress": progress, "checkpoint": job.checkpoints.of("enas")}
        result = enas(strategy, network, space, images.train, images.valid, **how)
        if result.reason:
            print(f"the search ended early: {result.reason}", flush=True)
        job.learnt_in(result.micro_batches)
        write_csv(task.output("history"), result.history, HISTORY)
        scored = [(architecture, score, "shared_weights") for architecture, score in result.candidates]
        write_candidates(task.output("candidates"), scored)
