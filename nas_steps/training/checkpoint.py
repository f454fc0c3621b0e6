"""Checkpoints: the state of a training on disk, from which a killed step goes on.

They lie in a folder beside the step's outputs that one process owns. It is no declared output, since Snakemake deletes
those of a failed job. A checkpoint is one file: a magic line, the sha256 of the rest, a line of JSON (key and cost),
then tensors and plain values as `torch.save` writes them, read with `weights_only`.
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
from functools import cached_property
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
#: how long an orphan is given to save its state and leave
PATIENCE = 120.0

#: values and tensors in dicts and lists
State = dict[str, Any]


def checkpoint_folder(target: Path) -> Path:
    """Where the step that writes the file or folder `target` keeps its checkpoints."""
    return target.with_name(f".{target.name}.checkpoints")


class Checkpoints:
    """The checkpoints of one step. Make them with `opened`.

    `key` identifies the training: names, and texts that are computed when they are needed.
    """

    def __init__(self, folder: Path, key: Mapping[str, Callable[[], str]], cost: Cost, interval: float) -> None:
        self.folder, self.cost, self.interval = folder, cost, interval
        self.last = time.monotonic()
        self._key = key

    @cached_property
    def key(self) -> dict[str, str]:
        return {name: text() for name, text in sorted(self._key.items())}

    def of(self, name: str) -> Checkpoint:
        """The checkpoint of one of the step's trainings."""
        return Checkpoint(self, name)


class Checkpoint:
    """The checkpoint of one training. Several processes have the same state; the first one reads and writes."""

    def __init__(self, all_of_step: Checkpoints, name: str) -> None:
        self._all, self.name = all_of_step, name
        self.file = all_of_step.folder / f"{name}.checkpoint"

    @property
    def due(self) -> bool:
        """Whether the step's last checkpoint is old enough for another one; the first of several processes decides."""
        return world().writes and time.monotonic() - self._all.last >= self._all.interval

    def write(self, state: State) -> None:
        """Replace the checkpoint; the one before stays whole until the new one is. Raises UserError for a full disk."""
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
        """The state, or None. A checkpoint that has another key or is not whole is moved aside and not loaded."""
        content = world().from_first(self._trusted() if world().writes else None)
        return None if content is None else torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)

    def _trusted(self) -> bytes | None:
        if not self.file.exists():
            return None
        try:
            header, content = _parse(self.file.read_bytes())
        except ValueError as error:
            self._set_aside("damaged", str(error))
            return None
        key, other = self._all.key, header["key"]
        if other != key:
            differing = sorted(part for part in {*other, *key} if other.get(part) != key.get(part))
            self._set_aside("foreign", f"it was made with another {' and another '.join(differing)}")
            return None
        self._all.cost.add_earlier(header["spent"])
        return content

    def remove(self) -> None:
        if world().writes:
            self.file.unlink(missing_ok=True)

    def _set_aside(self, kind: str, why: str) -> None:
        number = 1
        while (aside := self.file.with_name(f"{self.file.name}.{kind}-{number}")).exists():
            number += 1
        self.file.rename(aside)
        print(
            f"the checkpoint {self.file} is not used: {why}; it now is {aside.name}, and the step starts over",
            flush=True,
        )


def _parse(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the body of a checkpoint. Raises ValueError if it is none, or not whole."""
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
    mine = Checkpoints(folder, key, cost, _interval())
    if not world().writes:
        yield mine
        return
    with _own(folder):
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
