"""Start a step in several processes: `python -m nas_steps.training.launch PROCESSES -m MODULE ...`.

This is torchrun with a shell's exit status: 128 + n if signal n ended a process."""

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
    """Return the exit status after processes ended with `codes`; a negative code is a signal."""
    # the other processes lose the connection, or torchrun sends them SIGTERM
    signals = {-code for code in codes if code < 0}
    return 128 + max(signals - {signal.SIGTERM} or signals) if signals else 1


if __name__ == "__main__":
    main(sys.argv[1:])
