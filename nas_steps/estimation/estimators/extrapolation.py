"""Train the first epochs and extrapolate the learning curve (Domhan, Springenberg & Hutter 2015)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nas_steps.config.estimators import Extrapolation
from nas_steps.estimation.curves import Prediction, calibrated, extrapolate, worth_going_on
from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.proposals import Proposal
from nas_steps.estimation.shard import Shard
from nas_steps.estimation.training import estimate_of, failing, images_of, train
from nas_steps.facts import FEWEST_OBSERVED
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.loop import Row
from nas_steps.training.progress import Progress


class Extrapolations:
    """Scores by the validation accuracy that is predicted for the last epoch, `observe` epochs having been trained.

    If the probability of beating the incumbent falls below `stop_below`, a training ends early; its score is the
    prediction at that epoch. The incumbent is the best of the rounds before, so no other job matters. A `whole`
    proposal is trained to its end and scored by that; the prediction errors of such proposals correct later ones.
    """

    def __init__(self, shard: Shard) -> None:
        assert isinstance(shard.settings.estimator, Extrapolation)
        self.shard = shard
        self.settings = shard.settings.estimator
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
                plain = extrapolate(curve, settings.epochs, schedule="cosine")
                predicted[len(history)] = calibrated(plain, proposal.residuals) if proposal.residuals else plain
            return predicted[len(history)]

        def stop(history: list[Row]) -> bool:
            if len(history) >= self.units(proposal):
                return True
            if proposal.whole or incumbent is None or not settings.stop_below or len(history) < FEWEST_OBSERVED:
                return False
            return not worth_going_on(prediction(history), incumbent, settings.stop_below)

        how: dict[str, Any] = {"progress": progress, "checkpoint": checkpoint, "stop": stop}
        trained = train(self.shard, proposal, settings, self.images, **how)
        epochs = len(trained.history)
        estimate = replace(estimate_of(proposal, trained, math.nan), saved=settings.epochs - epochs)
        if trained.status != "ok":
            return estimate
        found = prediction(trained.history[: settings.observe])
        if proposal.whole:
            return replace(estimate, score=trained.last("valid_accuracy"), predicted=found.mean)
        if epochs < settings.observe:
            progress.skip(settings.observe - epochs)
            probability = found.probability_above(incumbent or 0.0)
            reason = f"stopped after {epochs} epochs: beating {incumbent:.4f} has a probability of {probability:.3f}"
            estimate = replace(estimate, reason=reason)
        return replace(estimate, score=found.mean, low=found.low, high=found.high)


def estimator(shard: Shard) -> Extrapolations:
    return Extrapolations(shard)
