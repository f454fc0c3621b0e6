"""Train the first epochs and extrapolate the learning curve (Domhan, Springenberg & Hutter 2015)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nas_steps.config.estimators import FEWEST_OBSERVED, Extrapolation
from nas_steps.estimation.curves import Prediction, calibrated, extrapolate, worth_going_on
from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.proposals import Proposal
from nas_steps.estimation.shard import Shard
from nas_steps.estimation.training import failing, images_of
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.loop import Row
from nas_steps.training.networks import train_network
from nas_steps.training.progress import Progress


class Extrapolations:
    """Scores by the validation accuracy that is predicted for the last epoch, `observe` epochs having been trained.

    A training whose probability of beating the incumbent falls below `stop_below` ends early; its score is what was
    predicted then. The incumbent is the best of the rounds before, so that it depends on no other job. A proposal that
    is `whole` is trained to its end and scored by that; later ones are corrected by how far such were predicted wrong.
    """

    def __init__(self, shard: Shard) -> None:
        assert isinstance(shard.step.estimator, Extrapolation)
        self.shard = shard
        self.settings = shard.step.estimator
        self.images = images_of(shard, self.settings)

    def units(self, proposal: Proposal) -> int:
        return self.settings.epochs if proposal.whole else self.settings.observe

    def __call__(self, proposal: Proposal, progress: Progress, checkpoint: Checkpoint) -> Estimate:
        return failing(proposal, lambda: self._estimate(proposal, progress, checkpoint))

    def _estimate(self, proposal: Proposal, progress: Progress, checkpoint: Checkpoint) -> Estimate:
        settings, incumbent = self.settings, proposal.incumbent
        predicted: dict[int, Prediction] = {}

        def prediction(history: Sequence[Row]) -> Prediction:
            if len(history) not in predicted:
                curve = [row["valid_accuracy"] for row in history]
                found = extrapolate(curve, settings.epochs, schedule="cosine")
                predicted[len(history)] = calibrated(found, proposal.residuals) if proposal.residuals else found
            return predicted[len(history)]

        def stop(history: list[Row]) -> bool:
            if len(history) >= self.units(proposal):
                return True
            if proposal.whole or incumbent is None or not settings.stop_below or len(history) < FEWEST_OBSERVED:
                return False
            return not worth_going_on(prediction(history), incumbent, settings.stop_below)

        trained = train_network(
            proposal.architecture,
            self.shard.step.network,
            settings,
            self.images,
            seed=self.shard.seed_of(proposal.architecture),
            progress=progress,
            checkpoint=checkpoint,
            stop=stop,
        )
        self.shard.job.learnt_in(trained.parts)
        epochs = len(trained.history)
        found = prediction(trained.history[: settings.observe]) if trained.status == "ok" else None
        reason = trained.reason
        if found is not None and epochs < settings.observe:
            progress.skip(settings.observe - epochs)
            reason = (
                f"stopped after {epochs} epochs: beating {incumbent:.4f} has a probability of "
                f"{found.probability_above(incumbent or 0.0):.3f}"
            )
        return Estimate(
            index=proposal.index,
            architecture=proposal.architecture,
            score=math.nan if found is None else trained.last("valid_accuracy") if proposal.whole else found.mean,
            status=trained.status,
            reason=reason,
            parameters=trained.parameters,
            macs=trained.macs,
            seconds=round(trained.seconds, 3),
            epochs=epochs,
            saved=settings.epochs - epochs,
            low=math.nan if found is None or proposal.whole else found.low,
            high=math.nan if found is None or proposal.whole else found.high,
            predicted=found.mean if found is not None and proposal.whole else math.nan,
        )
