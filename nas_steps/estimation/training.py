"""What all estimators that train have in common: their images, and what becomes of a training that fails."""

from __future__ import annotations

import math
from collections.abc import Callable

from nas_steps.config.estimators import Training
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.proposals import Proposal
from nas_steps.estimation.shard import Shard
from nas_steps.provenance.seeds import derive_seed
from nas_steps.training.micro_batches import out_of_memory
from nas_steps.training.networks import Images, load_images


def images_of(shard: Shard, settings: Training) -> Images:
    """The images that an estimator trains and validates on: the same ones for every architecture and seed."""
    return load_images(
        shard.data,
        shard.job.device,
        side=settings.resolution,
        share=settings.images,
        seed=derive_seed(shard.step.seed, "part of the training images"),
    )


def failing(proposal: Proposal, score: Callable[[], Estimate]) -> Estimate:
    """What `score` answers; an estimate with status `failed` and the reason, where the architecture cannot be built at
    this size or does not fit into memory. Anything else is an error of the program, and is raised."""
    try:
        return score()
    except UserError as error:
        reason = str(error)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        reason = f"out of memory: {str(error).strip().splitlines()[0] if str(error).strip() else 'none left'}"
    print(f"{proposal.architecture}: no score, {reason}", flush=True)
    return Estimate(proposal.index, proposal.architecture, math.nan, "failed", reason)
