"""Train one network at all its sizes with the compute of one rung."""

from nas_steps.data.text.store import read_text_meta
from nas_steps.provenance.files import read_csv, write_csv
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.scaling.ladder import TRAINED, Make, hand_designed, repeated, sizes
from nas_steps.scaling.settings import RungSettings
from nas_steps.scaling.winner import best_of
from nas_steps.spaces.language.baselines import NAMES
from nas_steps.spaces.language.parsing import parse_language


def main(task: Task) -> None:
    """Write a row for each size; there are none without a winner."""
    settings = task.read_settings(RungSettings)
    meta, first = read_text_meta(task.data), settings.rungs.compute
    assert first is not None  # or the config was refused
    compute = first * float(task.factor)
    make: Make
    if task.network in NAMES:
        kind, make = "baseline", hand_designed(task.network, meta.vocabulary, meta.context, settings.head_width)
    else:
        architecture = best_of(task.network, read_csv(task.winners))
        if not architecture:
            write_csv(task.output("trained"), [], TRAINED)
            return
        kind, make = "searched", repeated(parse_language(architecture))
    tried = sizes(settings.rungs, compute, make, meta.context)

    from nas_steps.config.space import Network
    from nas_steps.training.job import training_job
    from nas_steps.training.networks import load_data, train_network
    from nas_steps.training.progress import Progress

    recipe = settings.recipe.model_copy(update={"compute": compute})
    described = " ".join(str(one.architecture) for one in tried)
    with (
        training_job(task, settings, task.output("trained"), architecture=described, seed=task.seed) as job,
        Progress(len(tried) * recipe.epochs, f"{len(tried)} sizes") as progress,
    ):
        finished = job.finished("sizes")
        progress.resume(len(finished.rows) * recipe.epochs)
        data = load_data(task.data, job.device, metric=settings.metric)
        for size, one in list(enumerate(tried))[len(finished.rows) :]:
            checkpoint = job.checkpoints.of(f"size-{size}")
            trained = train_network(
                str(one.architecture),
                Network(),
                recipe,
                data,
                seed=derive_seed(settings.seed, "rung", task.seed),
                progress=progress,
                checkpoint=checkpoint,
            )
            job.learnt_in(trained.micro_batches)
            row = {"network": task.network, "kind": kind, "compute": compute, "size": size, "seed": task.seed}
            row |= {"architecture": str(one.architecture), "depth": one.architecture.depth}
            row |= {"width": one.architecture.frame.width, "parameters": one.parameters}
            row |= {"flops_per_token": one.flops_per_token, "tokens": round(one.tokens(compute))}
            # files hold minus the bits per byte
            row |= {"loss": -trained.last("valid_metric"), "status": trained.status, "reason": trained.reason}
            finished.add(row | {"seconds": round(trained.seconds, 3)}, of=checkpoint)
        write_csv(task.output("trained"), finished.rows, TRAINED)
