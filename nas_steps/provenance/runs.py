"""One run of an experiment at a time, no dead one in the way of the next, and data that are prepared once.

A killed Snakemake leaves locks without a name on its files. So each run, which is what executes jobs, also holds a lock
that ends with its process (`locks`); if that is free, Snakemake's own locks are a dead run's.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from nas_steps.errors import UserError
from nas_steps.provenance import locks
from nas_steps.provenance.files import MEND, MENDABLE, in_words, reason, refuse_unwritten, write_text
from nas_steps.provenance.fingerprint import fingerprint

#: Snakemake's own folder
STATE = Path(".snakemake")
#: seconds between two looks at another run
LOOK = 1.0
#: by a file and Snakemake's folder, the notes that it is finished and that it is begun
Records = Callable[[str, Path], Iterable[Path]]
#: letters of a run's name in the name of its lock's file
SHOWN = 238


class Run:
    """A run that executes jobs. `folder` is the experiment's, `data` that of its prepared images."""

    def __init__(self, folder: str, data: str, records: Records, state: Path = STATE) -> None:
        self.folder = folder
        self.data = data
        self.state = state
        self._records = records
        self._held: locks.Held | None = None
        self._earlier: list[tuple[Path, locks.Holder]] = []

    def begin(self) -> None:
        """Hold the experiment and remove dead runs' locks. Raises UserError if another run holds it."""
        refuse_unwritten()
        _check_writable(self.state, Path(self.folder).parent)
        _check_writable(*filter(Path.exists, (Path(self.folder), Path(self.data))))
        with _alone(self.state):
            path = lock_file(self.folder, self.state)
            self._held = locks.hold(path, folder=self.folder, data=self.data)
            if self._held is None:
                holder = locks.read(path)
                made = f"{self.folder} is being made by another snakemake, {locks.name(holder)}"
                raise UserError(f"{made}; wait until it ends, or stop it there, then run snakemake again")
            others = [other for other in _living(self.state) if other[0] != path]
            self._earlier = [other for other in others if other[1].get("data") == self.data]
            _unlock_the_dead(self, [holder for _, holder in others])

    def wait_for_data(self) -> None:
        """Wait while an earlier run prepares the same data."""
        for path, holder in self._earlier:
            waiting = False
            while not self._settled(path, holder):
                if not waiting:
                    prepares = f"{holder['folder']} ({locks.name(holder)}) prepares the data in {self.data}"
                    print(f"{prepares}, which this run needs too: waiting", flush=True)
                waiting = True
                time.sleep(LOOK)
        # those runs' locks hold the data until they end
        for lock in sorted(self.state.glob("locks/*.output.lock")) if self._earlier else []:
            _release(lock, self.data)

    def planned(self, workflow: Any) -> None:
        """Tell waiting runs whether this one prepares the data. For Snakemake's `onstart`, when its jobs are known."""
        if self._held is not None:
            made = [str(file) for job in workflow.dag.needrun_jobs() for file in job.output]
            self._held.tell(planned=True)
            since = self._held.path.stat().st_mtime
            self._held.tell(makes=[file for file in made if _within(file, self.data)], since=since)

    def end(self) -> None:
        if self._held is not None:
            _let_read(self.state / "metadata", self._held.path.stat().st_mode)
            self._held.close()
            self._held = None
            # Snakemake has deleted it, and its dry run for who may only look here would fail to make it
            with suppress(OSError):
                (self.state / "locks").mkdir()

    def _settled(self, path: Path, holder: locks.Holder) -> bool:
        """Return whether another run has ended, has prepared the data or will not."""
        with _alone(self.state):
            if not locks.is_held(path):
                return True
        now = locks.read(path)
        if now.get("token") not in (None, holder["token"]):
            return True  # it has ended, and the same experiment runs again, after this run
        if "makes" not in now:
            return False
        return all(_is_made(file, now["since"], self._records, self.state) for file in now["makes"])


def claim_while_executing(
    workflow: Any,
    run: Run,
    forced: Sequence[str] = (),
    begun: Callable[[], None] = lambda: None,
    shown: Callable[[], None] = lambda: None,
) -> None:
    """Make `workflow` the run whenever it executes jobs; the jobs of the `forced` files run, too.

    `begun` is called before the first job of a run, not of a dry run; it may raise UserError. `shown` is called after a
    dry run. All of Snakemake's ways
    to execute jobs, and no other command, call `execute`; when the Snakefile is read, the command is not yet known.
    """
    from snakemake.exceptions import LockException, WorkflowError

    execute = workflow.execute

    def execute_as_a_run(*arguments: Any, executor_plugin: Any, **named: Any) -> Any:
        if forced:
            workflow.dag_settings.forcerun = {*workflow.dag_settings.forcerun, *forced}
        if executor_plugin.common_settings.dryrun_exec:
            try:
                with _notes_elsewhere(run.state):
                    result = execute(*arguments, executor_plugin=executor_plugin, **named)
                shown()
                return result
            except UserError as error:
                raise WorkflowError(str(error)) from None
        try:
            if workflow.execution_settings.lock:
                run.begin()
                run.wait_for_data()
            begun()
            return execute(*arguments, executor_plugin=executor_plugin, **named)
        except (UserError, OSError, LockException) as error:
            message = _in_words(error, run)
            if message is None:
                raise
            raise WorkflowError(message) from None  # which Snakemake prints without a traceback
        finally:
            run.end()

    workflow.execute = execute_as_a_run


@contextmanager
def _notes_elsewhere(state: Path) -> Iterator[None]:
    """Let a dry run, which takes notes, look at a read-only folder, from a temporary one that links to it."""
    notes = [state / "locks", state / "iocache", state / "iocache" / "latest.pkl"]
    written = (state if state.exists() else state.parent, *notes)
    if all(os.access(place, os.W_OK) for place in written if place.exists()):
        yield
        return
    _check_readable(state / "metadata")
    here = Path.cwd()
    with TemporaryDirectory() as folder:
        there = Path(folder)
        for file in here.iterdir():
            if file.name != state.name:
                (there / file.name).symlink_to(file)
        (there / state.name).mkdir()
        (there / state.name / "locks").mkdir()
        for known in ("metadata", "incomplete"):
            place, real = there / state.name / known, here / state / known
            if real.exists():
                place.symlink_to(real)
            else:
                place.mkdir()
        os.chdir(there)
        try:
            yield
        finally:
            os.chdir(here)


def _in_words(error: Exception, run: Run) -> str | None:
    """Return how to mend an error; None if it says so itself."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return in_words(error) if error.errno in MENDABLE else None
    # Snakemake could not lock its files. Its advice is to unlock, which would hurt a run that lives
    with _alone(run.state):
        others = [holder for path, holder in _living(run.state) if path != lock_file(run.folder, run.state)]
    if not others:
        return None
    names = ", ".join(f"{holder['folder']} ({locks.name(holder)})" for holder in others)
    work = f"other runs work in this folder on files that {run.folder} needs: {names}"
    return f"{work}; wait until they end, then run snakemake again, and do not unlock"


def _check_writable(*folders: Path) -> None:
    """Raise UserError if this process may not write in a folder, which is made if need be."""
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise UserError(f"nothing can be written in {folder.absolute()}: {reason(error)}; {MEND}") from None


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Let no other run look at runs, or act on it, during the block."""
    while (held := locks.hold(state / "runs.lock")) is None:
        time.sleep(0.05)
    with held:
        yield


def lock_file(folder: str, state: Path = STATE) -> Path:
    """Return the lock of the experiment in `folder`, relative to the working directory."""
    name = folder.replace("/", "-")
    if len(os.fsencode(name)) > SHOWN:
        name = f"{name[:100]}-{fingerprint(name)}"
    return state / f"run-{name}.lock"


def progress_file(folder: str, state: Path = STATE) -> Path:
    """Return the file that tells others how far the run of an experiment is; it is no part of the results."""
    return lock_file(folder, state).with_suffix(".progress.json")


def _known(state: Path) -> list[tuple[Path, locks.Holder]]:
    """Return the locks of all runs that ever were here, and their last words."""
    found = [(path, locks.read(path)) for path in sorted(state.glob("run-*.lock"))]
    return [(path, holder) for path, holder in found if "folder" in holder]


def _living(state: Path) -> list[tuple[Path, locks.Holder]]:
    return [(path, holder) for path, holder in _known(state) if locks.is_held(path)]


def _within(file: str, folder: str) -> bool:
    return file.startswith(f"{folder}/")


def _unlock_the_dead(run: Run, others: list[locks.Holder]) -> None:
    """Delete Snakemake's locks of dead runs; each lock lists its run's files."""
    known = {run.folder: run.data} | {holder["folder"]: holder["data"] for _, holder in _known(run.state)}
    living = {holder["folder"]: holder["data"] for holder in others}
    for lock in sorted(run.state.glob("locks/*.lock")):
        files = lock.read_text(encoding="utf-8").splitlines()
        owners = {folder for folder in known if any(_within(file, folder) for file in files)}
        # a run of the data alone has no files of the experiment's own
        owners |= {folder for folder, data in known.items() if any(_within(file, data) for file in files) if not owners}
        if owners and not owners & living.keys():
            lock.unlink()
            which = "this experiment" if run.folder in owners else " and ".join(sorted(owners))
            print(f"A run of {which} was killed: its lock {lock} is removed.", flush=True)


def _let_read(records: Path, mode: int) -> None:
    """Let others read Snakemake's records, as far as `mode`, of a new file, does; the umask may forbid it."""
    readers = mode & 0o044
    for record in records.rglob("*"):
        now = record.lstat().st_mode
        if record.is_file() and now & readers != readers:
            with suppress(PermissionError):  # another person's, who ran this experiment, too
                record.chmod(now | readers)


def _check_readable(records: Path) -> None:
    """Raise UserError if Snakemake's records cannot be read: it would take all results for current."""
    for record in filter(Path.exists, (records, *records.rglob("*"))):
        if not os.access(record, os.R_OK):
            unknown = f"{record.absolute()} cannot be read, so what is stale is unknown"
            raise UserError(f"{unknown}; ask its owner for `chmod -R go+rX {records}`")


def _is_made(file: str, since: float, records: Records, state: Path) -> bool:
    """Return whether Snakemake has noted that a job made a file after its run's plan, at `since`."""
    finished, begun = records(file, state)
    return not begun.exists() and finished.exists() and finished.stat().st_mtime >= since


def _release(lock: Path, data: str) -> None:
    """Take the files of the data, which are complete, out of another run's lock."""
    try:
        files = lock.read_text(encoding="utf-8").splitlines()
        left = [file for file in files if not _within(file, data)]
        if len(left) == len(files):
            return
        if left:
            write_text(lock, "\n".join(left) + "\n")
        else:
            lock.unlink()
    except FileNotFoundError:
        pass  # that run, or a third one, has just ended and taken all locks away
