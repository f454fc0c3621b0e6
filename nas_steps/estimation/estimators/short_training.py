"""Train for a few epochs and take the validation accuracy (Zoph & Le 2017, section 4.1)."""

import math
from dataclasses import asdict, replace
from statistics import fmean

from nas_steps.config.estimators import ShortTraining
from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.proposals import Proposal
from nas_steps.estimation.shard import TrainingEstimator, estimate_of
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.language import rates_of
from nas_steps.training.progress import Progress


class ShortTrainings(TrainingEstimator):
    """Scores by the last epoch's validation accuracy, or other metric.

    The score is the mean over those of `seeds` trainings that did not diverge.

    Each rung of successive halving trains from the beginning, with a learning rate that falls to 0 at its end.
    """

    settings: ShortTraining

    def units(self, proposal: Proposal) -> int:
        return self.settings.seeds * len(rates_of(self.settings)) * (proposal.epochs or self.settings.epochs)

    def estimate(self, proposal: Proposal, progress: Progress, checkpoint: Checkpoint) -> Estimate:
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
        epochs, whole = proposal.epochs or self.settings.epochs, self.settings.compute
        update: dict[str, object] = {"epochs": epochs}
        if whole is not None:
            update["compute"] = whole * epochs / self.settings.epochs
        recipe = self.settings.model_copy(update=update)
        trained = self.train(proposal, recipe, repetition, progress=progress, checkpoint=checkpoint)
        return estimate_of(proposal, trained, trained.last("valid_metric"))


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


estimator = ShortTrainings
