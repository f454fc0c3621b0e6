"""How a step is run from the command line: arguments, the header of its log, errors in words."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from nas_steps.errors import UserError


def parser(module: str, description: str) -> argparse.ArgumentParser:
    """An argument parser for `python -m nas_steps.<module>`."""
    return argparse.ArgumentParser(
        prog=f"python -m {module}", description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )


def run(main: Callable[[Sequence[str]], Any], module: str) -> None:
    """Call `main(arguments)`; print a UserError without a traceback and exit with status 1.

    `module` is the name to show in the log, so that the printed command can be pasted.
    """
    arguments = sys.argv[1:]
    print(f"$ python -m {module} {shlex.join(arguments)}", flush=True)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        main(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except OSError as error:
        # the disk is full, a folder is not writable: name the file, keep the traceback for the curious
        if error.errno is not None:
            where = f" ({error.filename})" if error.filename else ""
            print(f"error: {os.strerror(error.errno)}{where}", file=sys.stderr)
        raise


def _terminated(_signal: int, _frame: object) -> None:
    """Leave through the `finally` blocks, so that nothing half-written stays behind."""
    raise SystemExit(143)
