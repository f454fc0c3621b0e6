"""Count on the device what a metric needs of one network's answers, batch by batch."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from nas_steps.metrics import ACCURACY, from_counts

#: sum a tensor over the processes that share the batches, and the largest of their whole numbers
Sum = Callable[[Tensor], Sequence[Tensor]]
Largest = Callable[[int], Sequence[int]]


class Tally:
    """The right images; for another metric than accuracy also the right, predicted and true ones of each class.

    Nothing is transferred before `accuracy` or `value` is read, and then once.
    """

    def __init__(self, metric: str = ACCURACY) -> None:
        self.metric = metric
        self.seen = 0
        self._right: Tensor | int = 0
        self._counts: Tensor | None = None  # (3, classes): right, predicted, true

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Count the answers (N, classes) to a batch with labels (N,)."""
        predicted = logits.argmax(1)
        right = predicted == labels
        self.seen += len(labels)
        self._right = self._right + right.sum()
        if self.metric == ACCURACY:
            return
        # comparisons instead of bincount, which waits for the device
        classes = torch.arange(logits.shape[1], device=labels.device)
        of_label = labels[:, None] == classes
        columns = (of_label & right[:, None]), predicted[:, None] == classes, of_label
        counts = torch.stack([column.sum(0) for column in columns])
        self._counts = counts if self._counts is None else self._counts + counts

    def add_up(self, over: Sum, largest: Largest, device: torch.device) -> None:
        """Add up the counts of all processes; each calls this once, after its last batch, be it without any."""
        (self._right,) = over(torch.as_tensor(self._right, device=device))
        (classes,) = largest(0 if self._counts is None else self._counts.shape[1])
        if classes:
            none = torch.zeros((3, classes), dtype=torch.int64, device=device)
            (self._counts,) = over(none if self._counts is None else self._counts)

    def accuracy(self, images: int | None = None) -> float:
        """Return the accuracy on `images`, all that were added by default. Raises ValueError without any."""
        if not (images or self.seen):
            raise ValueError("no images to evaluate on")
        return int(self._right) / (images or self.seen)

    def value(self, images: int | None = None) -> float:
        """Return the metric, over the classes that have an image. Raises ValueError without any image."""
        if self.metric == ACCURACY or self._counts is None:
            return self.accuracy(images)
        right, predicted, true = self._counts.cpu().numpy().astype(np.int64)
        return float(from_counts(self.metric, right, predicted, true))
