"""Progress with an estimate of the remaining time, for a job's log."""

import os
import sys

from tqdm import tqdm


class Progress(tqdm):
    """A tqdm bar on standard error over `total` epochs; a context manager."""

    skip = tqdm.update  # of epochs that will not be run

    def __init__(self, total: int, label: str) -> None:
        super().__init__(
            total=total,
            desc=label,
            unit="epoch",
            file=sys.stderr,
            mininterval=2,
            ascii=True,
            dynamic_ncols=False,
            ncols=110,
            disable=os.environ.get("RANK", "0") != "0",  # of several processes, the first one tells
        )

    def advance(self, *, loss: float, accuracy: float) -> None:
        """Count an epoch; show its training loss and its accuracy."""
        self.set_postfix_str(f"loss {loss:.3f}, accuracy {100 * accuracy:.1f} %", refresh=False)
        self.update()

    def extend(self, epochs: int) -> None:
        """Expect more epochs than before."""
        if self.total is not None:
            self.total += epochs

    def resume(self, epochs: int) -> None:
        """Count epochs of an earlier attempt, but not for the estimate."""
        if not self.disable:
            self.initial += epochs
        self.update(epochs)
