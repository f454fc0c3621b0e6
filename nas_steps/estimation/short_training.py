"""The plainest estimator: train for a few epochs, take the validation accuracy (Zoph & Le 2017, section 4.1)."""

from __future__ import annotations

import math
from dataclasses import asdict
from statistics import fmean

from nas_steps.config.estimators import ShortTraining
from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.proposals import Proposal
from nas_steps.estimation.shard import Shard
from nas_steps.estimation.training import failing, images_of
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.networks import train_network
from nas_steps.training.progress import Progress


class ShortTrainings:
    """Scores by the last epoch's validation accuracy, the mean over `seeds` trainings.

    An architecture of which one training diverged counts by the others. With successive halving a proposal says how
    many epochs its rung has: each rung trains from the beginning, with a learning rate that falls to 0 at its end.
    """

    def __init__(self, shard: Shard) -> None:
        assert isinstance(shard.step.estimator, ShortTraining)
        self.shard = shard
        self.settings = shard.step.estimator
        self.images = images_of(shard, self.settings)

    def units(self, proposal: Proposal) -> int:
        return self.settings.seeds * self._epochs(proposal)

    def __call__(self, proposal: Proposal, progress: Progress, checkpoint: Checkpoint) -> Estimate:
        return failing(proposal, lambda: self._estimate(proposal, progress, checkpoint))

    def _epochs(self, proposal: Proposal) -> int:
        return proposal.epochs or self.settings.epochs

    def _estimate(self, proposal: Proposal, progress: Progress, checkpoint: Checkpoint) -> Estimate:
        if self.settings.seeds == 1:
            return self._trained(proposal, 0, progress, checkpoint)
        finished = self.shard.job.finished(f"{checkpoint.name}-repetitions")
        found = [Estimate(**row) for row in finished.rows]
        for repetition in range(len(found), self.settings.seeds):
            found.append(self._trained(proposal, repetition, progress, checkpoint))
            finished.add(asdict(found[-1]), of=checkpoint)
        finished.remove()
        return mean(found)

    def _trained(self, proposal: Proposal, repetition: int, progress: Progress, checkpoint: Checkpoint) -> Estimate:
        epochs = self._epochs(proposal)
        trained = train_network(
            proposal.architecture,
            self.shard.step.network,
            self.settings.model_copy(update={"epochs": epochs}),
            self.images,
            seed=self.shard.seed_of(proposal.architecture, repetition),
            progress=progress,
            checkpoint=checkpoint,
        )
        self.shard.job.learnt_in(trained.parts)
        return Estimate(
            index=proposal.index,
            architecture=proposal.architecture,
            score=trained.last("valid_accuracy"),
            status=trained.status,
            reason=trained.reason,
            parameters=trained.parameters,
            macs=trained.macs,
            seconds=round(trained.seconds, 3),
            epochs=len(trained.history),
        )


def mean(trainings: list[Estimate]) -> Estimate:
    """One estimate of several trainings of an architecture: the mean of those that are sound."""
    sound = [one for one in trainings if math.isfinite(one.fitness)]
    first = sound[0] if sound else trainings[0]
    lost = len(trainings) - len(sound)
    why = next((one.reason for one in trainings if one.status != "ok"), "")
    return Estimate(
        index=first.index,
        architecture=first.architecture,
        score=fmean(one.score for one in sound) if sound else math.nan,
        status=first.status,
        reason=f"{lost} of {len(trainings)} trainings gave no score: {why}" if lost else "",
        parameters=first.parameters,
        macs=first.macs,
        seconds=round(sum(one.seconds for one in trainings), 3),
        epochs=sum(one.epochs for one in trainings),
    )
