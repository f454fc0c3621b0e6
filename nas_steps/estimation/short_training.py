"""The plainest estimator: train for a few epochs, take the validation accuracy (Zoph & Le 2017, section 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from nas_steps.config.stages import TrainingStep
from nas_steps.estimation.estimates import Estimate
from nas_steps.provenance.seeds import derive_seed
from nas_steps.training.job import Job
from nas_steps.training.networks import Images, train_network
from nas_steps.training.progress import Progress


def short_training(
    proposals: Sequence[tuple[int, str]], step: TrainingStep, images: Images, *, stage: str, seed: int, job: Job
) -> list[Estimate]:
    """Train each (index, architecture) by the step's recipe and score it by its last epoch's validation accuracy.

    A training's seed depends on the stage, the seed and the architecture alone: not on the shard, the round or the
    strategy that proposed it. What an interrupted attempt has finished is not trained again.
    """
    finished = job.finished("estimates")
    found = [Estimate(**row) for row in finished.rows]
    with Progress(len(proposals) * step.recipe.epochs, f"{len(proposals)} architectures") as progress:
        progress.resume(len(found) * step.recipe.epochs)
        for index, architecture in proposals[len(found) :]:
            checkpoint = job.checkpoints.of(f"architecture-{index}")
            trained = train_network(
                architecture,
                step.network,
                step.recipe,
                images,
                seed=derive_seed(step.seed, stage, seed, architecture),
                progress=progress,
                checkpoint=checkpoint,
            )
            job.learnt_in(trained.parts)
            found.append(
                Estimate(
                    index=index,
                    architecture=architecture,
                    score=trained.last("valid_accuracy"),
                    status=trained.status,
                    reason=trained.reason,
                    parameters=trained.parameters,
                    macs=trained.macs,
                    seconds=round(trained.seconds, 3),
                )
            )
            finished.add(asdict(found[-1]), of=checkpoint)
    return found
