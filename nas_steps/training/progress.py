"""Progress with an estimate of the remaining time, for a job's log."""

from __future__ import annotations

import os
import sys

from tqdm import tqdm


class Progress:
    """A tqdm bar on standard error over `total` epochs. Close it, or use it as a context."""

    def __init__(self, total: int, label: str) -> None:
        self._bar = tqdm(
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
        """One epoch more, with its training loss and its accuracy."""
        self._bar.set_postfix_str(f"loss {loss:.3f}, accuracy {100 * accuracy:.1f} %", refresh=False)
        self._bar.update()

    def resume(self, epochs: int) -> None:
        """Epochs that an earlier attempt has run: they do not count for the estimate."""
        if not self._bar.disable:
            self._bar.initial += epochs
        self._bar.update(epochs)

    def skip(self, epochs: int) -> None:
        """Epochs that will not be run."""
        self._bar.update(epochs)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._bar.close()
