"""How a step is run from the command line: arguments, the header of its log, errors in words."""

from __future__ import annotations

import argparse
import faulthandler
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Any

from nas_steps.errors import UserError
from nas_steps.provenance.files import MENDABLE, in_words


def parser(module: str, description: str) -> argparse.ArgumentParser:
    """An argument parser for `python -m nas_steps.<module>`."""
    return argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )


def training_options(options: argparse.ArgumentParser) -> None:
    """What every step that trains is told."""
    options.add_argument("--settings", required=True, help="the step's slice of the config")
    options.add_argument("--data", required=True, help="folder of the prepared data")
    options.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")


def run(main: Callable[[Sequence[str]], Any], module: str, arguments: Sequence[str] | None = None) -> None:
    """Call `main(arguments)`; print without a traceback what the user can mend, and exit with status 1.

    `module` is the name to show in the log, so that the printed command can be pasted.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    say_anything()
    show_faults()
    print(f"$ python -m {module} {shlex.join(arguments)}", flush=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _terminated)
    try:
        main(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except OSError as error:
        if error.errno not in MENDABLE:
            raise
        print(f"error: {in_words(error)}", file=sys.stderr)
        raise SystemExit(1) from None


def say_anything() -> None:
    """Let no name end a step because the terminal or the log has no letters for it: they are written as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show_faults() -> None:
    """Let a fault in native code (SIGSEGV, SIGABRT, ...) print the lines that were running, into the log."""
    if not faulthandler.is_enabled():
        faulthandler.enable()


def _terminated(number: int, _frame: object) -> None:
    """Leave through the `finally` blocks, so that nothing half-written stays behind."""
    raise SystemExit(128 + number)


def dispatch(package: str, steps: Sequence[str]) -> None:
    """Run `python -m <package> <step> ...`: the step's own module `<package>.steps.<step>` and nothing else.

    Steps are loaded by name, so that the fingerprint of one does not hold the code of another.
    """
    choice = argparse.ArgumentParser(prog=f"python -m {package}", add_help=False)
    choice.add_argument("step", choices=steps)
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        choice.print_help()
        raise SystemExit(0 if len(sys.argv) > 1 else 2)
    step = choice.parse_args(sys.argv[1:2]).step
    # Snakemake sets these to the threads of the job, and NumPy's last digits would depend on what a run has of them.
    # torch is told its own number by the settings.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    show_faults()
    module = import_module(f"{package}.steps.{step}")
    run(module.main, f"{package} {step}", sys.argv[2:])
