"""Start a step in several processes of this machine: `python -m nas_steps.training.launch PROCESSES -m MODULE ...`.

It is torchrun, but it ends as the process did that made it fail: with status 128 + n after the signal n, like a shell.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run


def main(arguments: Sequence[str]) -> None:
    processes, *command = arguments
    try:
        run(parse_args(["--standalone", "--nproc-per-node", processes, *command]))
    except ChildFailedError as error:
        print(error, file=sys.stderr)
        raise SystemExit(status([failure.exitcode for failure in error.failures.values()])) from None


def status(codes: Sequence[int]) -> int:
    """The exit status after the processes ended with `codes`, negative ones after signals."""
    # a process that a signal ended takes the others with it: they lose the connection, or torchrun sends them SIGTERM
    signals = {-code for code in codes if code < 0}
    return 128 + max(signals - {signal.SIGTERM} or signals) if signals else 1


if __name__ == "__main__":
    main(sys.argv[1:])
