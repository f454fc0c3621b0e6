"""What a training comes to."""

import math
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from nas_steps.training.loop import DivergedError, Row, fit
from nas_steps.training.progress import Progress
from nas_steps.training.supervised import SupervisedLearner

#: the figures of `judge` as columns of a split
JUDGED = ("loss", "accuracy", "metric")


@dataclass
class Trained:
    """A trained network. With status `diverged` the model is as it was left, and accuracies are NaN."""

    model: nn.Module
    parameters: int
    macs: int
    history: list[Row] = field(default_factory=list)
    status: str = "ok"
    reason: str = ""
    micro_batches: int = 1  # of a batch, in the end
    #: of several peak learning rates, what each came to and took: learning_rate, valid_metric, seconds, status
    tried: list[Row] = field(default_factory=list)

    def learn(self, learner: SupervisedLearner, batches: Any, *, planned: int, progress: Progress, **how: Any) -> None:
        """Train by `fit`, with `how`; a divergence becomes the status. `planned` epochs are those of the progress."""
        try:
            self.history = fit(learner, batches, progress=progress, **how)
        except DivergedError as error:
            self.history = error.history
            self.status, self.reason = "diverged", str(error)
            progress.skip(planned - len(error.history))
        self.model, self.micro_batches = learner.evaluated, learner.micro_batches.count

    @property
    def seconds(self) -> float:
        """The time in training steps, of all learning rates that were tried."""
        return sum(row["seconds"] for row in self.tried or self.history)

    def last(self, column: str) -> float:
        """Return a figure of the last epoch; NaN if the training diverged or the column is missing."""
        return self.history[-1].get(column, math.nan) if self.status == "ok" and self.history else math.nan
