"""Text as the training and the scoring of a supernet see images: batches of inputs, and of the tokens after them."""

from collections.abc import Iterator

import torch

from nas_steps.data.text.batches import DeviceText
from nas_steps.search.one_shot.networks import NO_TEXT
from nas_steps.training.loop import Batch


class Contexts:
    """`count` contexts of `text`: anywhere in it for training, its first windows in order for scoring."""

    def __init__(self, text: DeviceText, count: int) -> None:
        self.text, self.count = text, count

    def __len__(self) -> int:
        return self.count

    @property
    def device(self) -> torch.device:
        return self.text.device

    def steps(self, batch_size: int, **_how: object) -> int:
        """Return the number of batches, shuffled or not."""
        return -(-self.count // batch_size)

    def batches(
        self, batch_size: int, *, shuffle: bool, seed: int = 0, start: int = 0, **_how: object
    ) -> Iterator[Batch]:
        """Yield inputs and targets, int64 (B, T), from batch `start` on; text is not augmented.

        If they are not to `shuffle`, the windows that score each token once, with `NO_TEXT` for what is no text.
        """
        steps = self.steps(batch_size)
        if shuffle:
            contexts = self.text.batches(batch_size, seed=seed, steps=steps, start=start)
            for step, some in enumerate(contexts, start=start):
                kept = some[: self.count - step * batch_size]
                yield kept[:, :-1], kept[:, 1:]
            return
        for windows in self.text.windows(batch_size):
            if windows.first >= self.count:
                return
            left = self.count - windows.first
            yield windows.inputs[:left], windows.targets.where(windows.counted, NO_TEXT)[:left]
