"""Search by training a supernet: DARTS and its family."""

from nas_steps.provenance.files import write_csv, write_json
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.search.settings import DartsSettings
from nas_steps.search.tables import HISTORY, write_candidates
from nas_steps.spaces.declare import declared_cells


def main(task: Task) -> None:
    from nas_steps.models.cells.kernels.library import code_for
    from nas_steps.search.darts.loop import darts
    from nas_steps.training.job import training_job
    from nas_steps.training.networks import load_images
    from nas_steps.training.progress import Progress

    settings = task.read_settings(DartsSettings)
    seed = derive_seed(settings.seed, "search", task.strategy, task.seed)
    strategy, names = settings.strategy, {"strategy": task.strategy, "seed": task.seed}
    with (
        training_job(task, settings, processes=strategy.processes, **names) as job,
        Progress(strategy.epochs, "supernet") as progress,
    ):
        if strategy.processes == 1:
            job.trained_by(code_for(declared_cells(settings.space), job.device))
        images = load_images(task.data, job.device)
        result = darts(settings, images, seed=seed, progress=progress, checkpoint=job.checkpoints.of("supernet"))
        if result.reason:
            print(f"the search ended early: {result.reason}", flush=True)
        job.learnt_in(result.micro_batches)
        if job.writes:
            write_json(task.output("alphas"), result.alphas)
            write_csv(task.output("history"), result.history, HISTORY)
            write_candidates(task.output("candidates"), result.candidates)
