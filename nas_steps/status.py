"""How far a run is, seen from outside: `python -m nas_steps.status results/EXPERIMENT [--live]`.

It reads files alone, so it works for runs on a cluster, too: what the running Snakemake keeps in `.snakemake`, and the
logs of its jobs.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas_steps.errors import UserError
from nas_steps.provenance import locks
from nas_steps.provenance.files import read_json
from nas_steps.provenance.runs import STATE, lock_file, progress_file
from nas_steps.provenance.task import parser, run
from nas_steps.workflow.console.console import last_lines
from nas_steps.workflow.forecast.forecast import OTHERS, STAGES
from nas_steps.workflow.why.costs import spelled

MODULE = "nas_steps.status"
#: seconds between two looks of --live
LOOK = 2.0
#: the bar of a log's line of progress
BAR = re.compile(r"\|[^|]*\|")


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, "Tell how far the run of an experiment is.")
    options.add_argument("folder", metavar="FOLDER", help="results/EXPERIMENT, of a run in this or another folder")
    options.add_argument("--live", action="store_true", help="look again every two seconds until the run ends")
    given = options.parse_args(arguments)
    base, folder = place_of(Path(given.folder))
    while True:
        lines, goes_on = look(base, folder)
        if given.live and sys.stdout.isatty():
            print("\x1b[H\x1b[2J", end="")
        print("\n".join(lines), flush=True)
        if not (given.live and goes_on):
            return
        time.sleep(LOOK)


def place_of(folder: Path) -> tuple[Path, str]:
    """Return the working directory of the run that makes `folder`, and the folder relative to it.

    Raises UserError if no run has been there.
    """
    whole = folder.absolute()
    for base in whole.parents:
        name = whole.relative_to(base).as_posix()
        if progress_file(name, base / STATE).is_file():
            return base, name
    raise UserError(
        f"{folder}: no run is known there; give the folder of an experiment, such as results/digits, in the directory "
        "where snakemake was started"
    )


def look(base: Path, folder: str) -> tuple[list[str], bool]:
    """Return what there is to say, and whether the run goes on."""
    lock = lock_file(folder, base / STATE)
    held, told = locks.is_held(lock), read_json(progress_file(folder, base / STATE))
    done, planned = (sum(pair[place] for pair in told["stages"].values()) for place in (0, 1))
    lines = [f"{folder}: {_state(told, held, locks.name(locks.read(lock)))}"]
    for name in [name for name in (*STAGES, OTHERS) if name in told["stages"]]:
        count, of = told["stages"][name]
        lines.append(f"  {name:<16} {count:>6,} of {of:,}")
    left = told["left"] - (time.time() - told["now"]) if held and told["left"] is not None else None
    lines.append(
        f"  {'together':<16} {done:>6,} of {planned:,}" + (f", about {spelled(max(left, 1.0))} left" if left else "")
    )
    if held and told["running"]:
        lines.append("Running:")
        for job in told["running"]:
            lines.append(f"  {job['job']}, for {spelled(max(0.0, time.time() - job['since']))}{_latest(base, job)}")
    if told["failed"]:
        lines.append("Failed:")
        for job in told["failed"]:
            lines += [f"  {job['job']}", *_end_of_logs(base, job)]
    return lines, held


def _state(told: dict[str, Any], held: bool, who: str) -> str:
    if held:
        return f"at work for {spelled(max(0.0, time.time() - told['began']))}, {who}"
    lasted = spelled(max(0.0, told["now"] - told["began"]))
    if told.get("ended") == "done":
        return f"the last run is done, after {lasted}"
    if told.get("ended") == "failed":
        return f"the last run ended after {lasted} without all its jobs; mend their cause and run snakemake again"
    return (
        f"the last run is dead, {who}: it was killed, or its machine stopped, {spelled(time.time() - told['now'])} ago "
        f"or later, after {lasted}; run snakemake again, which goes on from there"
    )


def _latest(base: Path, job: dict[str, Any]) -> str:
    """Return the last line of a running job's log, without the bar of its progress."""
    lines = [line for log in job["logs"] if (base / log).is_file() for line in last_lines(base / log, 1)]
    found = " ".join(BAR.sub(" ", lines[-1]).split()) if lines else ""
    return f": {found[:100]}" if found and not found.startswith("(") else ""


def _end_of_logs(base: Path, job: dict[str, Any]) -> list[str]:
    return [f"    {line}" for log in job["logs"] for line in (f"{log}:", *last_lines(base / log))]


if __name__ == "__main__":
    run(main, MODULE)
