"""Save the state of a training, from which a killed step goes on.

Checkpoints are in a folder beside the outputs; it is no declared output, since Snakemake deletes those of failed jobs.
A file has a magic line, the sha256 of the rest, a line of JSON (key and cost), then what `torch.save` writes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import torch

from nas_steps.errors import UserError
from nas_steps.provenance import locks
from nas_steps.provenance.files import atomic
from nas_steps.provenance.ledger import Cost
from nas_steps.training.distributed import world

MAGIC = b"nas-steps checkpoint 1\n"
#: seconds between two checkpoints of a training, which a SIGKILL can cost
INTERVAL_VARIABLE, INTERVAL = "NAS_STEPS_CHECKPOINT_SECONDS", 30.0
#: seconds in which an orphan must save its state and leave
PATIENCE = 120.0

#: values and tensors in dicts and lists
State = dict[str, Any]


def checkpoint_folder(target: Path) -> Path:
    """Return the folder of the checkpoints of the step that writes `target`."""
    return target.with_name(f".{target.name}.checkpoints")


class Checkpoints:
    """The checkpoints of one step, made by `opened`. `key` identifies the training by names and lazy texts."""

    def __init__(self, folder: Path, key: Mapping[str, Callable[[], str]], cost: Cost, interval: float) -> None:
        self.folder, self.cost, self.interval = folder, cost, interval
        self.last = time.monotonic()
        self._key = key

    @cached_property
    def key(self) -> dict[str, str]:
        return {name: text() for name, text in sorted(self._key.items())}

    def of(self, name: str) -> Checkpoint:
        return Checkpoint(self, name)


class Checkpoint:
    """The checkpoint of one training. Of several processes, the first one reads and writes."""

    def __init__(self, all_of_step: Checkpoints, name: str) -> None:
        self._all, self.name = all_of_step, name
        self.file = all_of_step.folder / f"{name}.checkpoint"

    @property
    def due(self) -> bool:
        """Whether the step's last checkpoint is old; the first of several processes decides."""
        return world().writes and time.monotonic() - self._all.last >= self._all.interval

    def write(self, state: State) -> None:
        """Replace the checkpoint atomically. Raises UserError if the disk is full."""
        if not world().writes:
            return
        body, header = io.BytesIO(), {"key": self._all.key, "spent": self._all.cost.spent()}
        body.write(json.dumps(header, sort_keys=True).encode() + b"\n")
        torch.save(state, body)
        content = body.getbuffer()
        try:
            with atomic(self.file) as temporary, temporary.open("wb") as file:
                file.write(MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n")
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(
                f"the checkpoint {self.file} ({len(content) / 1e6:,.1f} MB) cannot be written: "
                f"{os.strerror(error.errno or 0)}; make room and run snakemake again: "
                "it goes on from the checkpoint before"
            ) from error
        self._all.last = time.monotonic()

    def read(self) -> State | None:
        """Return the state or None. A damaged checkpoint, or one with another key, is renamed and not loaded."""
        content = world().from_first(self._trusted() if world().writes else None)
        return None if content is None else torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)

    def _trusted(self) -> bytes | None:
        if not self.file.exists():
            return None
        start, end = len(MAGIC), len(MAGIC) + 2 * hashlib.sha256().digest_size
        data = self.file.read_bytes()
        content = data[end + 1 :]
        if not data.startswith(MAGIC):
            self._set_aside("damaged", "it is no checkpoint of this version")
        elif data[start:end] != hashlib.sha256(content).hexdigest().encode():
            self._set_aside("damaged", "its content does not have the sha256 that it states, so it is not whole")
        else:
            line, state = content.split(b"\n", 1)
            header, key = json.loads(line), self._all.key
            if (other := header["key"]) == key:
                self._all.cost.add_earlier(header["spent"])
                return state
            differing = sorted(part for part in {*other, *key} if other.get(part) != key.get(part))
            self._set_aside("foreign", f"it was made with another {' and another '.join(differing)}")
        return None

    def beside(self, name: str) -> Checkpoint:
        """Return the checkpoint of another training of the same step."""
        return self._all.of(name)

    def part(self, name: str) -> Checkpoint:
        """Return the checkpoint of a part of this training, which is removed with it."""
        return self._all.of(f"{self.name}.{name}")

    def remove(self) -> None:
        if world().writes:
            self.file.unlink(missing_ok=True)
            for part in self.file.parent.glob(f"{self.name}.*{self.file.suffix}"):
                part.unlink(missing_ok=True)

    def _set_aside(self, kind: str, why: str) -> None:
        names = (self.file.with_name(f"{self.file.name}.{kind}-{number}") for number in count(1))
        aside = next(name for name in names if not name.exists())
        self.file.rename(aside)
        print(f"the checkpoint {self.file} is not used: {why}; renamed {aside.name}, the step starts over", flush=True)


@contextmanager
def opened(target: Path, key: Mapping[str, Callable[[], str]], cost: Cost, job: str = "") -> Iterator[Checkpoints]:
    """Yield the checkpoints of the step that writes `target`; delete them if the block ends well.

    Another process of this machine that trains for `target` is asked to save its state and leave. Raises UserError for
    one of another machine. If several jobs train for `target`, each has a name, and one waits for another."""
    folder = checkpoint_folder(target)
    folder.mkdir(parents=True, exist_ok=True)
    mine = Checkpoints(folder, key, cost, _interval())
    if not world().writes:
        yield mine
        return
    with _own(folder, job):
        for left in folder.glob(".*.partial"):  # of a process killed while it wrote
            left.unlink()
        for ended in folder.parent.glob(f".{target.name}.ended-*.checkpoints"):  # of one killed while it deleted them
            shutil.rmtree(ended)
        yield mine
        # while it is still owned: a forced rerun must start over; renamed first, so that nobody waits inside it
        ended = folder.with_name(f".{target.name}.ended-{os.getpid()}.checkpoints")
        folder.rename(ended)
        shutil.rmtree(ended)


def _interval() -> float:
    given = os.environ.get(INTERVAL_VARIABLE, str(INTERVAL))
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise UserError(f"{INTERVAL_VARIABLE} is {given!r}; it must be a number of seconds, 0 or more")
    return seconds


def _own(folder: Path, job: str = "") -> locks.Held:
    """Lock `folder`; wait until an orphan has left it, or another `job` is done with it."""
    asked: int | None = None
    waiting = False
    until, path = time.monotonic() + PATIENCE, folder / "owner"
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            held = locks.hold(path, job=job)
        except FileNotFoundError:
            continue  # the owner before has just deleted the folder
        if held is not None:
            return held
        owner = locks.read(path)
        where = locks.name(owner)
        if owner.get("job", job) != job:
            if not waiting:
                print(f"{where} trains for {folder}, {owner['job']}: waiting", flush=True)
            waiting, until = True, time.monotonic() + PATIENCE
            time.sleep(0.2)
            continue
        if owner and owner["host"] != socket.gethostname():
            raise UserError(f"{where} already trains for {folder}; wait or stop it there, then run snakemake again")
        if owner and owner["pid"] != asked:
            # left behind by a Snakemake that was killed: it saves its state, and this process goes on from there
            print(f"{where} already trains for {folder}: it is asked to save its state and leave", flush=True)
            with suppress(ProcessLookupError):  # it may have left just now
                os.kill(owner["pid"], signal.SIGTERM)
            asked = owner["pid"]
        if time.monotonic() > until:
            raise UserError(f"{where} trains for {folder} and does not leave; stop it, then run snakemake again")
        time.sleep(0.2)


class Interrupted(SystemExit):
    """The training was asked to end, and its state is saved. The exit status is that of the signal."""


class Interrupts:
    """Hold SIGTERM and SIGINT until the state can be saved: `caught` is the signal or 0; in `at_once` it raises."""

    def __init__(self) -> None:
        self.caught, self._at_once = 0, False

    def __enter__(self) -> Interrupts:
        self._before = {number: signal.signal(number, self._handle) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: object) -> None:
        self.caught = number
        if self._at_once:
            self._at_once = False
            self.leave()

    def leave(self) -> None:
        print(f"interrupted by {signal.Signals(self.caught).name}", file=sys.stderr, flush=True)
        raise Interrupted(128 + self.caught)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Allow interrupts in a block that changes no state of the training, such as its evaluation."""
        self._at_once = True
        try:
            if self.caught:
                self.leave()
            yield
        finally:
            self._at_once = False
