"""Common parts of the estimators that train: images, one training, and the estimate of a failed one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from nas_steps.config.estimators import Training
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.proposals import Proposal
from nas_steps.estimation.shard import Shard
from nas_steps.provenance.seeds import derive_seed
from nas_steps.training.micro_batches import out_of_memory
from nas_steps.training.networks import Images, Trained, load_images, train_network


def images_of(shard: Shard, settings: Training) -> Images:
    """Load the images that an estimator trains and validates on, the same for every architecture and seed."""
    return load_images(
        shard.data,
        shard.job.device,
        side=settings.resolution,
        share=settings.images,
        seed=derive_seed(shard.settings.seed, "part of the training images"),
    )


def train(
    shard: Shard, proposal: Proposal, settings: Training, images: Images, repetition: int = 0, **how: Any
) -> Trained:
    """Train the network of a proposal; `how` is the progress, checkpoint and stop of `train_network`."""
    seed = shard.seed_of(proposal.architecture, repetition)
    trained = train_network(proposal.architecture, shard.settings.network, settings, images, seed=seed, **how)
    shard.job.learnt_in(trained.micro_batches)
    return trained


def estimate_of(proposal: Proposal, trained: Trained, score: float) -> Estimate:
    """Record a training."""
    return Estimate(
        proposal.index,
        proposal.architecture,
        score,
        trained.status,
        trained.reason,
        trained.parameters,
        trained.macs,
        round(trained.seconds, 3),
        len(trained.history),
    )


def failing(proposal: Proposal, estimate: Callable[[], Estimate]) -> Estimate:
    """Return the estimate, or one of status `failed` if the network cannot be built at this size or exceeds memory.

    Any other error is one of the program, and is raised.
    """
    try:
        return estimate()
    except UserError as error:
        reason = str(error)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        reason = f"out of memory: {str(error).strip().splitlines()[0] if str(error).strip() else 'none left'}"
    print(f"{proposal.architecture}: no score, {reason}", flush=True)
    return Estimate(proposal.index, proposal.architecture, math.nan, "failed", reason)
