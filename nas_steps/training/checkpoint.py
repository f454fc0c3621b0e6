"""What lets a killed step go on: its state on disk, in a folder that one process owns.

The folder lies beside the step's outputs and is no declared output, since Snakemake deletes those of a failed job. A
checkpoint is one file: a line that says what it is, the sha256 of what follows, a line of JSON (what it belongs to,
what was spent on it), then tensors and plain values as `torch.save` writes them, read with `weights_only`.
"""

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
from pathlib import Path
from typing import Any

import torch

from nas_steps.errors import UserError
from nas_steps.provenance import locks
from nas_steps.provenance.files import atomic
from nas_steps.provenance.ledger import Cost
from nas_steps.training.distributed import world

MAGIC = b"nas-steps checkpoint 1\n"
#: seconds between two checkpoints of a training: what a SIGKILL can cost
INTERVAL_VARIABLE, INTERVAL = "NAS_STEPS_CHECKPOINT_SECONDS", 30.0
#: how long an orphan is given to save its state and leave
PATIENCE = 120.0

#: values and tensors in dicts and lists
State = dict[str, Any]


def checkpoint_folder(target: Path) -> Path:
    """Where the step that writes the file or folder `target` keeps its checkpoints."""
    return target.with_name(f".{target.name}.checkpoints")


class Checkpoints:
    """The checkpoints of one step. Make them with `opened`.

    `key` says what they belong to, each part a name and a text that is worked out when it is needed. A checkpoint
    with another key, or one that is not whole, is moved aside and never loaded.
    """

    def __init__(self, folder: Path, key: Mapping[str, Callable[[], str]], cost: Cost, interval: float) -> None:
        self.folder = folder
        self.interval = interval
        self._key = key
        self._known_key: dict[str, str] | None = None
        self._cost = cost
        self._last = time.monotonic()

    @property
    def key(self) -> dict[str, str]:
        if self._known_key is None:
            self._known_key = {name: text() for name, text in sorted(self._key.items())}
        return self._known_key

    @property
    def due(self) -> bool:
        """Whether the last checkpoint is old enough for another one; the first of several processes decides."""
        return world().writes and time.monotonic() - self._last >= self.interval

    def of(self, name: str) -> Checkpoint:
        """The checkpoint of one of the step's trainings."""
        return Checkpoint(self, name)

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.checkpoint"

    def write(self, name: str, state: State) -> None:
        """Replace the checkpoint `name`; the one before stays whole until the new one is. Of several processes, whose
        states are the same, the first one writes."""
        if not world().writes:
            return
        body = io.BytesIO()
        body.write(json.dumps({"key": self.key, "spent": self._cost.spent()}, sort_keys=True).encode() + b"\n")
        torch.save(state, body)
        content = body.getbuffer()
        path = self.file(name)
        try:
            with atomic(path) as temporary, temporary.open("wb") as file:
                file.write(MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n")
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(
                f"the checkpoint {path} ({len(content) / 1e6:,.1f} MB) cannot be written: "
                f"{os.strerror(error.errno or 0)}; make room and run snakemake again: "
                "it goes on from the checkpoint before"
            ) from error
        self._last = time.monotonic()

    def read(self, name: str) -> State | None:
        """The state in the checkpoint `name`, or None where there is none that can be trusted.

        Of several processes, the first one reads for all.
        """
        content = world().from_first(self._trusted(name) if world().writes else None)
        return None if content is None else torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)

    def _trusted(self, name: str) -> bytes | None:
        path = self.file(name)
        if not path.exists():
            return None
        try:
            header, content = _parse(path.read_bytes())
        except ValueError as error:
            self._set_aside(path, "damaged", str(error))
            return None
        if header["key"] != self.key:
            differing = sorted(
                part for part in {*header["key"], *self.key} if header["key"].get(part) != self.key.get(part)
            )
            self._set_aside(path, "foreign", f"it was made with another {' and another '.join(differing)}")
            return None
        self._cost.add_earlier(header["spent"])
        return content

    def remove(self, name: str) -> None:
        if world().writes:
            self.file(name).unlink(missing_ok=True)

    def _set_aside(self, path: Path, kind: str, why: str) -> None:
        number = 1
        while (aside := path.with_name(f"{path.name}.{kind}-{number}")).exists():
            number += 1
        path.rename(aside)
        print(f"the checkpoint {path} is not used: {why}; it now is {aside.name}, and the step starts over", flush=True)


class Checkpoint:
    """One training's place among a step's checkpoints."""

    def __init__(self, all_of_step: Checkpoints, name: str) -> None:
        self._all = all_of_step
        self.name = name

    @property
    def due(self) -> bool:
        return self._all.due

    def read(self) -> State | None:
        return self._all.read(self.name)

    def write(self, state: State) -> None:
        self._all.write(self.name, state)

    def remove(self) -> None:
        self._all.remove(self.name)


def _parse(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the body of a checkpoint. Raises ValueError where it is not one, or not a whole one."""
    start, end = len(MAGIC), len(MAGIC) + 2 * hashlib.sha256().digest_size
    if not data.startswith(MAGIC):
        raise ValueError("it is no checkpoint of this version")
    content = data[end + 1 :]
    if data[start:end] != hashlib.sha256(content).hexdigest().encode():
        raise ValueError("its content does not have the sha256 that it states, so it is not whole")
    header, body = content.split(b"\n", 1)
    return json.loads(header), body


@contextmanager
def opened(target: Path, key: Mapping[str, Callable[[], str]], cost: Cost) -> Iterator[Checkpoints]:
    """The checkpoints of the step that writes `target`; deleted when the block ends well.

    A process that already trains for `target` is asked to save its state and leave, if it runs on this machine; else
    UserError.
    """
    folder = checkpoint_folder(target)
    folder.mkdir(parents=True, exist_ok=True)
    interval = _interval()
    if not world().writes:
        yield Checkpoints(folder, key, cost, interval)
        return
    with _own(folder):
        for left in folder.glob(".*.partial"):  # of a process killed while it wrote
            left.unlink()
        for ended in folder.parent.glob(f".{target.name}.ended-*.checkpoints"):  # of one killed while it deleted them
            shutil.rmtree(ended)
        yield Checkpoints(folder, key, cost, interval)
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


def _own(folder: Path) -> locks.Held:
    """The lock on `folder`: waits for an orphan that is on its way out."""
    asked: int | None = None
    until = time.monotonic() + PATIENCE
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "owner"
        try:
            held = locks.hold(path)
        except FileNotFoundError:
            continue  # the owner before has just deleted the folder
        if held is not None:
            return held
        owner = locks.read(path)
        where = locks.name(owner)
        if owner and owner["host"] != socket.gethostname():
            raise UserError(
                f"{where} already trains for {folder}; wait for it or stop it there, then run snakemake again"
            )
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
    """SIGTERM and SIGINT, held until the training is at a place where its state can be saved.

    In the block, `caught` is the signal that came, or 0; in `at_once`, the signal raises Interrupted.
    """

    def __init__(self) -> None:
        self.caught = 0
        self._at_once = False

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
        """A block that changes no state of the training, such as its evaluation."""
        self._at_once = True
        try:
            if self.caught:
                self.leave()
            yield
        finally:
            self._at_once = False
