"""Run one job of a step: its command line, its settings, its files, the header of its log, errors in words.

Loads no pydantic but to read settings: `nas_steps.predict` needs none.
"""

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
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nas_steps.errors import UserError
from nas_steps.provenance.files import MENDABLE, in_words, read_json
from nas_steps.provenance.ledger import Cost, measured
from nas_steps.provenance.step import Step, cardinality, common_folder

if TYPE_CHECKING:
    from pydantic import BaseModel

Settings = TypeVar("Settings", bound="BaseModel")
#: Snakemake sets these to the threads of the job, on which NumPy's last digits would depend. torch takes its number of
#: threads from the settings.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
#: wildcards and options that are numbers; all others are text
NUMBERS = {"seed": int, "round": int, "shard": int, "shards": int, "macs": float, "parameters": float}
#: files that a help text names of a step that writes more
MOST_NAMED = 8
#: what the wildcards of file names are
WILDCARDS = {
    "strategy": "its name in the config",
    "seed": "the seed: 0, 1, ...",
    "round": "the round: 0, 1, ...",
    "shard": "this job's share of the work: 0, 1, ...",
    "recipe": "its name in the config",
    "entry": "what is retrained: a baseline's name, or <strategy>-<search seed>",
    "member": "the number of a scaled member: 0, 1, ...",
    "base": "what is scaled",
    "scaling": "how it is scaled",
    "network": "whose block is trained: `winner`, a strategy's name or a baseline's",
    "factor": "the rung's compute over that of the first one: 1, 4, ...",
}


class Task:
    """One job of a step, as its command line describes it.

    Inputs, wildcards and options are attributes: `task.data`, `task.seed`. Files that may be missing are None.
    """

    def __init__(self, step: Step, given: argparse.Namespace, cost: Cost | None = None) -> None:
        self.step = step
        self.given = given
        self.cost = cost or Cost(step.stage, step.name)
        self.folder = Path(given.output)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["given"], name)

    def read_settings(self, kind: type[Settings]) -> Settings:
        """Return the settings that the Snakefile wrote for this step. Raises UserError if they were edited."""
        from nas_steps.provenance.settings import read_settings

        return read_settings(self.given.settings, kind)

    def output(self, name: str) -> Path:
        """Return the path of the output that the declaration calls `name`."""
        files = self.step.files(**vars(self.given))
        return self.folder / os.path.relpath(files[name], common_folder(files))

    def modules(self) -> list[str]:
        """Return the modules whose code this job runs."""
        settings = read_json(self.given.settings) if self.step.reads else {}
        return self.step.modules(settings, vars(self.given))

    @property
    def label(self) -> str:
        """The job's name in the ledger: its step and wildcards."""
        return " ".join([self.step.name, *(str(getattr(self.given, name)) for name in self.step.wildcards())])


def dispatch(package: str, tools: Sequence[str] = ()) -> None:
    """Run `python -m <package> <step> ...`, or one of the package's `tools` that are no step of the workflow.

    The step's module is loaded by name, so that the fingerprint of one step does not hold the code of another.
    """
    declared: dict[str, Step] = import_module(f"{package}.steps").STEPS
    choice = argparse.ArgumentParser(prog=f"python -m {package}", add_help=False)
    choice.add_argument("step", choices=[*declared, *tools])
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        choice.print_help()
        raise SystemExit(0 if len(sys.argv) > 1 else 2)
    name = choice.parse_args(sys.argv[1:2]).step
    os.environ |= ONE_THREAD
    show_faults()
    if name in tools:
        run(import_module(f"{package}.steps.{name}").main, f"{package} {name}", sys.argv[2:])
    else:
        run(
            lambda arguments: run_step(declared[name], arguments, f"{package} {name}"),
            f"{package} {name}",
            sys.argv[2:],
        )


def run_step(step: Step, arguments: Sequence[str], command: str = "") -> None:
    """Run one job of `step`, and write what it cost if the step says so."""
    task = Task(step, command_line(step, command or step.name).parse_args(arguments))
    module = import_module(step.module)
    main: Callable[[Task], None] = module.main
    if "cost" not in step.writes:
        main(task)
        return
    with measured(task.output("cost"), task.cost.stage, task.label) as task.cost:
        main(task)


def command_line(step: Step, command: str) -> argparse.ArgumentParser:
    """Return the parser of a step's command line, made from its declaration."""
    options = argparse.ArgumentParser(prog=f"python -m {command}", description=step.summary)
    if step.reads:
        options.add_argument("--settings", required=True, help="the step's settings file, made by the Snakefile")
    for name in step.wildcards():
        options.add_argument(f"--{name}", type=NUMBERS.get(name, str), required=True, help=WILDCARDS[name])
    for name, text in {**step.takes, **step.options}.items():
        name, mark = cardinality(name)
        nargs = mark if mark in ("*", "+") else None
        default: list[str] | None = [] if mark == "*" else None
        kind, required = NUMBERS.get(name, str), mark in ("", "+")
        options.add_argument(f"--{name}", type=kind, nargs=nargs, default=default, required=required, help=text)
    if step.device:
        options.add_argument("--device", default="auto", help="auto (the default), cpu, cuda or mps")
    names = [Path(path).name for path, _ in step.writes.values()]
    files = ", ".join(names[:MOST_NAMED]) + f" and {len(names) - MOST_NAMED} more" * (len(names) > MOST_NAMED)
    options.add_argument("--output", required=True, help=f"the folder of {files}")
    return options


def parser(module: str, description: str) -> argparse.ArgumentParser:
    """Return a parser for a command that is no step."""
    return argparse.ArgumentParser(prog=f"python -m {module}", description=description, formatter_class=_Defaults)


class _Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Help that shows a default if there is one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, []) else super()._get_help_string(action)


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
    except BrokenPipeError:
        # who read the output has seen enough, as `head` does; what is left in the buffer goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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
