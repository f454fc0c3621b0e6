"""The plainest estimator: train for a few epochs, take the validation accuracy (Zoph & Le 2017, section 4.1)."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from statistics import fmean
from typing import Any

from nas_steps.config.estimators import ShortTraining
from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.proposals import Proposal
from nas_steps.estimation.shard import Shard
from nas_steps.estimation.training import estimate_of, failing, images_of, train
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.progress import Progress


class ShortTrainings:
    """Scores by the last epoch's validation accuracy, the mean over `seeds` trainings.

    If one training of an architecture diverges, the others count. With successive halving a proposal has the epochs
    of its rung: each rung trains from the beginning, with a learning rate that falls to 0 at its end.
    """

    def __init__(self, shard: Shard) -> None:
        assert isinstance(shard.settings.estimator, ShortTraining)
        self.shard = shard
        self.settings = shard.settings.estimator
        self.images = images_of(shard, self.settings)

    def units(self, proposal: Proposal) -> int:
        return self.settings.seeds * (proposal.epochs or self.settings.epochs)

    def __call__(self, proposal: Proposal, progress: Progress, checkpoint: Checkpoint) -> Estimate:
        return failing(proposal, lambda: self._estimate(proposal, progress, checkpoint))

    def _estimate(self, proposal: Proposal, progress: Progress, checkpoint: Checkpoint) -> Estimate:
        if self.settings.seeds == 1:
            return self._trained(proposal, 0, progress, checkpoint)
        finished = self.shard.job.finished(f"{checkpoint.name}-repetitions")
        trainings = [Estimate(**row) for row in finished.rows]
        for repetition in range(len(trainings), self.settings.seeds):
            trainings.append(self._trained(proposal, repetition, progress, checkpoint))
            finished.add(asdict(trainings[-1]), of=checkpoint)
        finished.remove()
        return mean(trainings)

    def _trained(self, proposal: Proposal, repetition: int, progress: Progress, checkpoint: Checkpoint) -> Estimate:
        recipe = self.settings.model_copy(update={"epochs": proposal.epochs or self.settings.epochs})
        how: dict[str, Any] = {"progress": progress, "checkpoint": checkpoint}
        trained = train(self.shard, proposal, recipe, self.images, repetition, **how)
        return estimate_of(proposal, trained, trained.last("valid_accuracy"))


def mean(trainings: list[Estimate]) -> Estimate:
    """Average several trainings of an architecture, diverged ones left out."""
    sound = [one for one in trainings if math.isfinite(one.fitness)]
    first = sound[0] if sound else trainings[0]
    lost = len(trainings) - len(sound)
    why = next((one.reason for one in trainings if one.status != "ok"), "")
    return replace(
        first,
        score=fmean(one.score for one in sound) if sound else math.nan,
        reason=f"{lost} of {len(trainings)} trainings gave no score: {why}" if lost else "",
        seconds=round(sum(one.seconds for one in trainings), 3),
        epochs=sum(one.epochs for one in trainings),
    )


def estimator(shard: Shard) -> ShortTrainings:
    return ShortTrainings(shard)
