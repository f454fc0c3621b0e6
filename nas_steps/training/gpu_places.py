"""Share the GPUs of a machine among trainings: files name who holds a place on which GPU, and how much memory it takes.

A training that wants a GPU to itself waits until the GPU is free. Others join those that are there, up to a number, or
as long as the memory that each of them took in its first epoch leaves room for one more."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from glob import escape
from itertools import count
from pathlib import Path
from typing import Any, Literal, NamedTuple

from nas_steps.errors import UserError
from nas_steps.provenance.locks import Held, hold, is_held, read

#: how many trainings share a GPU at most if memory decides
MOST = 8
#: the share of a GPU's memory that trainings may take together: another one is as large as the largest of them
FILLED = 0.9
#: of the environment, the config's `trainings_per_gpu`; 1 if it is not set
VARIABLE = "NAS_STEPS_TRAININGS_PER_GPU"

Sharing = int | Literal["auto"]


class Gpu(NamedTuple):
    """A GPU and its memory (bytes)."""

    name: str
    memory: int


def asked_for() -> Sharing:
    """Return how many trainings may share a GPU, by the environment. Raises UserError."""
    text = os.environ.get(VARIABLE, "1")
    if text == "auto":
        return "auto"
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{VARIABLE}={text}: write auto, or a number of trainings from 1")
    return int(text)


class Place:
    """A place on GPU `number`, held until the lock is closed. It tells what share of the GPU's time it had."""

    def __init__(self, number: int, gpu: Gpu, lock: Held, joules: Callable[[], float | None]) -> None:
        self.number = number
        self._gpu, self._lock, self._joules = gpu, lock, joules
        self._began = self._last = time.perf_counter()
        self._energy = joules()
        self._seconds = 0.0
        #: of the GPU's energy since the beginning, this training's part; None if it is not measured
        self.energy: float | None = None if self._energy is None else 0.0

    def sharers(self) -> int:
        """Count the trainings on this GPU, this one included."""
        return 1 + sum(path != self._lock.path and is_held(path) for path in _locks(self._lock.path.parent, self._gpu))

    def measured(self, memory: int) -> None:
        """Say how many bytes of the GPU's memory this training takes, at the end of an epoch at least."""
        self._lock.tell(memory=max(memory, self._lock.holder.get("memory", 0)))
        self.account()

    def account(self) -> None:
        """Give this training its part of the time and energy since the last call: equal parts to all who are there."""
        now, energy, sharers = time.perf_counter(), self._joules(), self.sharers()
        self._seconds += (now - self._last) / sharers
        if self.energy is not None and energy is not None and self._energy is not None:
            self.energy += (energy - self._energy) / sharers
        self._last, self._energy = now, energy

    @property
    def share(self) -> float:
        """The share of the GPU's time since the beginning, up to the last account; 1 if it was alone."""
        whole = self._last - self._began
        return self._seconds / whole if whole > 0 else 1.0


_place: Place | None = None


def place() -> Place | None:
    """Return the place on a GPU that this process holds; None outside of `claim`."""
    return _place


@contextmanager
def claim(
    folder: Path,
    gpus: Sequence[Gpu],
    sharing: Sharing = 1,
    wait: float = 1.0,
    joules: Callable[[int], float | None] = lambda _number: None,
) -> Iterator[Place]:
    """Yield a place on the GPU with the fewest trainings that takes one more; look again every `wait` seconds.

    With `sharing` 1 the GPU is this training's alone. `joules(number)` reads a GPU's energy counter."""
    global _place
    folder.mkdir(mode=0o700, exist_ok=True)
    waiting = False
    while (found := _choose(folder, gpus, sharing)) is None:
        if not waiting:
            print(f"all {len(gpus)} GPUs are taken by other steps (locks in {folder}): waiting", flush=True)
            waiting = True
        time.sleep(wait)
    (number, lock), before = found, _place
    with lock:
        _place = Place(number, gpus[number], lock, lambda: joules(number))
        try:
            yield _place
        finally:
            _place = before


def _locks(folder: Path, gpu: Gpu) -> list[Path]:
    """Return the files of a GPU's places, whoever made them."""
    return sorted(folder.glob(f"{escape(gpu.name)}.*.lock"))


def _choose(folder: Path, gpus: Sequence[Gpu], sharing: Sharing) -> tuple[int, Held] | None:
    """Lock a place; None if no GPU takes another training. One process chooses at a time."""
    choosing = None
    while choosing is None:
        choosing = hold(folder / "choosing.lock")
        if choosing is None:
            time.sleep(0.01)
    with choosing:
        there = {number: [path for path in _locks(folder, gpu) if is_held(path)] for number, gpu in enumerate(gpus)}
        for number in sorted(there, key=lambda number: len(there[number])):
            held = there[number]
            if takes(gpus[number], [read(path) for path in held], sharing):
                paths = (folder / f"{gpus[number].name}.{place}.lock" for place in count())
                lock = hold(next(path for path in paths if path not in held), alone=sharing == 1)
                if lock is not None:
                    return number, lock
    return None


def takes(gpu: Gpu, holders: Sequence[dict[str, Any]], sharing: Sharing) -> bool:
    """Return whether a GPU takes one more training beside its `holders`, by what their locks say."""
    if not holders:
        return True
    if sharing == 1 or any(holder.get("alone", True) for holder in holders):
        return False
    if sharing != "auto":
        return len(holders) < sharing
    memory = [int(holder["memory"]) for holder in holders if "memory" in holder]
    if len(holders) >= MOST or len(memory) < len(holders):
        return False  # who has told nothing has not ended its first epoch
    return sum(memory) + max(memory) <= FILLED * gpu.memory
