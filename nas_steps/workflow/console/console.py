"""What a run prints on the terminal: stages, time left, failures with the end of their logs.

Snakemake prints some 200 kB for an experiment, file lists of all inputs among them. That output stays in
`.snakemake/log`. In its place the terminal gets a line when a stage is done, and now and then how far the run is.
Dry runs, `--verbose`, `--quiet`, other loggers (`--logger`) and `NAS_STEPS_CONSOLE=snakemake` keep Snakemake's own.

A logger plugin would have to be installed beside Snakemake and be named in each profile. A workflow that takes the
place of Snakemake's own handler works in a checkout, in an installed wheel and with any profile.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from nas_steps.provenance.files import write_json
from nas_steps.workflow.console.progress import Job, Progress, in_words
from nas_steps.workflow.why.costs import spelled

VARIABLE = "NAS_STEPS_CONSOLE"
#: its value that keeps Snakemake's output
SNAKEMAKE = "snakemake"
#: seconds between two lines on progress, and the share of the time so far that they are apart at least
SECONDS, SHARE = 15.0, 0.1
#: seconds between two files for others to read
TELL = 1.0
#: lines of a failed job's log; jobs named as running
LAST_LINES, NAMED = 12, 2
#: what Snakemake says of itself
NOISE = (
    "Using workflow specific profile",
    "Assuming unrestricted shared filesystem",
    "Building DAG of jobs",
    "Using shell:",
    "Provided ",
    "Rules claiming more threads",
    "Conda environments: ignored",
    "Singularity containers: ignored",
    "Select jobs to execute",
    "Execute ",
    "Group jobs: inactive",
    "Removing temporary output",
    "Touching output",
    "Job counts:",
    "Reasons:",
    "Elapsed time:",
    "Shutting down, this might",
    "Will exit after finishing currently running jobs",
    "Trying to restart job",
    "SLURM run ID:",
    "Submitted job ",
)
#: what it says of a failed job, which has been told
FAILED = ("Exiting because a job execution failed", "RuleException:\nCalledProcessError in file")
#: what executors say of each job
SUBMITTED = " has been submitted with "


class Follower(logging.Handler):
    """Follow a run by Snakemake's records, and keep a file, `place`, that tells others how far it is."""

    def __init__(self, place: Path) -> None:
        super().__init__()
        self.place = place
        self.progress = Progress()
        #: what is told of each job that is done
        self.done: list[Callable[[Job], object]] = []
        self._told = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.follow(str(getattr(record, "event", None) or ""), record)
        except (KeyboardInterrupt, SystemExit, BrokenPipeError):
            raise
        except Exception:  # noqa: BLE001 - as logging has it: what cannot be printed does not end the run
            self.handleError(record)

    def follow(self, event: str, record: logging.LogRecord) -> None:
        """Take one of Snakemake's records; `event` is its kind, empty for plain text."""
        told: Any = record.__dict__
        if event == "run_info":
            self.progress.plan(told["stats"])
            self.planned()
        elif event == "job_info":
            begun = self.progress.running[told["jobid"]] = _job(told)
            if begun.rule != "all":
                self.moved()
        elif event == "job_finished":
            job = self.progress.running.pop(told["job_id"], None)
            if job is not None and job.rule != "all":
                for listener in self.done:
                    listener(job)
                stage = self.progress.finish(job)
                self.ended(stage) if stage else self.moved()
        elif event == "job_error":
            self.failed(self.progress.fail(told["jobid"], _job(told)), told["log"] or [])
        else:
            return
        if time.monotonic() - self._told >= TELL:
            self.tell()

    def tell(self, **more: Any) -> None:
        """Write how far the run is. A place that cannot be written, for a moment or at all, does not end the run."""
        with suppress(OSError):
            write_json(self.place, self.progress.told(**more))
        self._told = time.monotonic()

    def end(self, how: str) -> None:
        """Tell that the run has ended, and `how`."""
        self.tell(ended=how)

    def planned(self) -> None:
        """Take notice that the jobs are known."""

    def moved(self) -> None:
        """Take notice that a job has begun or ended."""

    def ended(self, stage: str) -> None:
        """Take notice that a stage has ended."""

    def failed(self, job: Job, logs: list[str]) -> None:
        """Take notice that a job has failed."""


class Console(Follower):
    """Print what a user wants to know of a run. `live` rewrites the last line of a terminal."""

    def __init__(self, place: Path, stream: TextIO, formatter: logging.Formatter, *, live: bool) -> None:
        super().__init__(place)
        self.setFormatter(formatter)
        self.stream, self.live = stream, live
        self._printed = time.monotonic()
        self._rewritten = False

    def follow(self, event: str, record: logging.LogRecord) -> None:
        super().follow(event, record)
        if event in ("", "error", "group_error") and not _is_noise(record):
            self.say(self.format(record))

    def planned(self) -> None:
        stages = ", ".join(f"{name} {count:,}" for name, count in self.progress.planned.items())
        count = self.progress.planned.total()
        self.say(f"{count:,} job{'s' * (count != 1)} to do: {stages}")

    def ended(self, stage: str) -> None:
        count = self.progress.planned[stage]
        time_left = in_words(self.progress.left())
        self.say(f"[{spelled(self.progress.elapsed)}] {stage}: done, {count:,} of {count:,}{time_left}")

    def moved(self) -> None:
        """Print how far the run is if that was not told for a while; rewrite a terminal's last line at each time."""
        progress, elapsed = self.progress, self.progress.elapsed
        begun = [name for name, count in progress.planned.items() if 0 < progress.done[name] < count]
        stages = ", ".join(f"{name} {progress.done[name]:,} of {progress.planned[name]:,}" for name in begun)
        line = f"[{spelled(elapsed)}] {stages or 'at work'}{in_words(progress.left())}"
        names = [str(job) for job in progress.running.values()]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        line += f"; running: {', '.join(names[:NAMED])}{more}" if names else ""
        if self.live:
            self.stream.write(f"\r\x1b[2K{line[: _width(self.stream) - 1]}")
            self.stream.flush()
            self._rewritten = True
        elif time.monotonic() - self._printed >= max(SECONDS, SHARE * elapsed):
            self.say(line)

    def failed(self, job: Job, logs: list[str]) -> None:
        self.say(f"FAILED: {job}")
        for log in logs:
            self.say(f"  the end of {log}:")
            for line in last_lines(Path(log)):
                self.say(f"    {line}")
        self.say(
            "  Jobs that do not need it go on. Mend the cause and run the same command again: what is done is kept."
        )

    def end(self, how: str) -> None:
        super().end(how)
        self._clear()  # what is printed next begins a line

    def _clear(self) -> None:
        """Take a terminal's line of progress away."""
        if self._rewritten:
            self.stream.write("\r\x1b[2K")
            self.stream.flush()
            self._rewritten = False

    def say(self, text: str) -> None:
        """Print lines, above a terminal's line of progress."""
        self._clear()
        self.stream.write(text + "\n")
        self.stream.flush()
        self._printed = time.monotonic()


def _job(told: Mapping[str, Any]) -> Job:
    logs, outputs = (list(told.get(key) or []) for key in ("log", "output"))
    return Job(told["rule_name"], dict(told.get("wildcards") or {}), logs, time.time(), outputs)


def _is_noise(record: logging.LogRecord) -> bool:
    text = record.getMessage().strip()
    if record.levelno >= logging.WARNING:
        return text.startswith(FAILED)
    return text in ("", "None") or text.startswith(NOISE) or SUBMITTED in text


def _width(stream: TextIO) -> int:
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return columns or 80  # a terminal without a size says 0


def last_lines(path: Path, count: int = LAST_LINES) -> list[str]:
    """Return the last lines of a log that are not empty; what a progress bar has overwritten is left out."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return [f"(it cannot be read: {error.strerror})"]
    lines = [line.rpartition("\r")[2].rstrip() for line in text.split("\n") if line.strip()]
    return lines[-count:] or ["(it is empty)"]


def follow(workflow: Any, place: Path) -> Follower | None:
    """Follow the run of Snakemake's `workflow`; print in the place of Snakemake's own output unless that is to stay.

    Return None for a dry run, which keeps no file either.
    """
    from snakemake.logging import ColorizingTextHandler, logger

    settings = workflow.output_settings
    if settings.dryrun:
        return None
    stays = settings.verbose or settings.debug_dag or settings.quiet or os.environ.get(VARIABLE) == SNAKEMAKE
    follower = Follower(place)
    for handler in [] if stays else list(logger.handlers):
        if isinstance(handler, ColorizingTextHandler) and handler.formatter is not None:
            live = handler.is_tty and os.environ.get("TERM") != "dumb"
            follower = Console(place, handler.stream, handler.formatter, live=live)
            logger.removeHandler(handler)
    logger.addHandler(follower)
    return follower
