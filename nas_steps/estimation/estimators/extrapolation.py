"""Train the first epochs and extrapolate the learning curve (Domhan, Springenberg & Hutter 2015)."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nas_steps.config.estimators import Extrapolation
from nas_steps.estimation.curves import Prediction, calibrated, extrapolate, worth_going_on
from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.proposals import Proposal
from nas_steps.estimation.shard import TrainingEstimator, estimate_of
from nas_steps.facts import FEWEST_OBSERVED
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.loop import Row
from nas_steps.training.progress import Progress


class Extrapolations(TrainingEstimator):
    """Scores by the validation accuracy, or other metric, that `observe` epochs predict for the last epoch.

    A training ends early if its probability of beating the incumbent, the best of earlier rounds, falls below
    `stop_below`. A `whole` proposal is trained to its end; its prediction error corrects later predictions.
    """

    settings: Extrapolation

    def units(self, proposal: Proposal) -> int:
        return self.settings.epochs if proposal.whole else self.settings.observe

    def estimate(self, proposal: Proposal, progress: Progress, checkpoint: Checkpoint) -> Estimate:
        settings, incumbent = self.settings, proposal.incumbent
        predicted: dict[int, Prediction] = {}

        def prediction(history: Sequence[Row]) -> Prediction:
            if len(history) not in predicted:
                curve = [row["valid_metric"] for row in history]
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
        trained = self.train(proposal, settings, **how)
        epochs = len(trained.history)
        estimate = replace(estimate_of(proposal, trained, math.nan), saved=settings.epochs - epochs)
        if trained.status != "ok":
            return estimate
        end = prediction(trained.history[: settings.observe])
        if proposal.whole:
            return replace(estimate, score=trained.last("valid_metric"), predicted=end.mean)
        if epochs < settings.observe:
            progress.skip(settings.observe - epochs)
            probability = end.probability_above(incumbent or 0.0)
            reason = f"stopped after {epochs} epochs: beating {incumbent:.4f} has a probability of {probability:.3f}"
            estimate = replace(estimate, reason=reason)
        return replace(estimate, score=end.mean, low=end.low, high=end.high)


estimator = Extrapolations
