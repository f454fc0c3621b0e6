"""The surroundings of every training: device, log header, checkpoints, cost."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch

import nas_steps
from nas_steps.data.sizes import content_of
from nas_steps.data.store import read_meta
from nas_steps.errors import UserError
from nas_steps.facts import NEG_BITS_PER_BYTE
from nas_steps.metrics import ACCURACY, undefined
from nas_steps.provenance.fingerprint import code_fingerprint, edited_since
from nas_steps.provenance.ledger import Cost
from nas_steps.provenance.modules import MODULES, remembered
from nas_steps.provenance.task import Task
from nas_steps.provenance.versions import TRAINS, describe_versions
from nas_steps.training.checkpoint import Checkpoint, Checkpoints, opened
from nas_steps.training.devices import claimed, describe, peak_gpu_memory_mb
from nas_steps.training.distributed import joined, world
from nas_steps.training.gpu_places import place
from nas_steps.training.settings import ComputeSettings


class Finished:
    """The rows of a step's finished trainings, in their order; they survive a kill."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self.rows: list[dict[str, Any]] = (checkpoint.read() or {"rows": []})["rows"]
        if self.rows:
            print(f"going on after {len(self.rows)} finished trainings", flush=True)

    def add(self, row: dict[str, Any], *, of: Checkpoint) -> None:
        """Keep the row of a training and remove its checkpoint `of`."""
        self.rows.append(row)
        self._checkpoint.write({"rows": self.rows})
        of.remove()

    def remove(self) -> None:
        self._checkpoint.remove()


@dataclass
class Job:
    """The device, the checkpoints and the cost of a step that trains."""

    device: torch.device
    checkpoints: Checkpoints
    cost: Cost
    key: dict[str, Callable[[], str]]
    threads: int

    def finished(self, name: str) -> Finished:
        return Finished(self.checkpoints.of(name))

    def identity(self) -> dict[str, str]:
        """Return what a number that is computed here depends on, apart from `what` of the job."""
        parts = ("settings", "data", "code", "torch", "versions", "weights")
        same = {part: self.key[part]() for part in parts if part in self.key}
        return same | {"device": describe(self.device), "threads": str(self.threads)}

    @property
    def writes(self) -> bool:
        """Whether this process writes the outputs."""
        return world().writes

    def trained_by(self, code: str) -> None:
        """Record which of several codes trains; a checkpoint of another one is not used. Empty: there is only one."""
        if code:
            self.key["kernels"] = lambda: code
            self.cost.extra["kernels"] = code

    def learnt_in(self, micro_batches: int) -> None:
        """Record the number of micro-batches of a batch, if there were several."""
        if micro_batches > 1:
            self.cost.extra["batch_parts"] = max(micro_batches, self.cost.extra.get("batch_parts", 1))


@contextmanager
def training_job(
    task: Task,
    settings: ComputeSettings,
    target: Path | None = None,
    *,
    processes: int = 1,
    job: str = "",
    **what: object,
) -> Iterator[Job]:
    """Run the training of `target`: one of the task's files, or its folder. All `processes` call this.

    If several jobs train for `target`, `job` is this one's name.

    A checkpoint is used again if settings, data, code, versions, kind of device and `what` (all else) are the same.
    The number of CPU threads is a setting, since it changes the last digits."""
    cost = task.cost
    cost.loaded()
    if settings.metric not in (ACCURACY, NEG_BITS_PER_BYTE) and (problem := undefined_on(task.data, settings.metric)):
        raise UserError(problem)
    key: dict[str, Callable[[], str]] = {
        "settings": lambda: hashlib.sha256(Path(task.given.settings).read_bytes()).hexdigest(),
        "data": lambda: content_of(task.data),
        "code": lambda: _code(task),
        "torch": lambda: torch.__version__,
        "versions": lambda: describe_versions(TRAINS),
        **{name: lambda value=value: str(value) for name, value in what.items()},  # type: ignore[misc]
    }
    # several processes that train together have a GPU each
    device = claimed(task.device, settings.threads, settings.deterministic, alone=processes > 1)
    with device as found, joined(processes, found):
        key["device"] = lambda: found.type
        values = ", ".join(f"{name} {value}" for name, value in what.items() if isinstance(value, int))
        where = f"device {describe(found)}, threads {settings.threads}"
        if processes > 1:
            where = f"process {world().rank + 1} of {processes}, {where}"
        print(", ".join(filter(None, [where, values])), flush=True)
        with opened(target or task.folder, key, cost, job) as checkpoints:
            yield Job(found, checkpoints, cost, key, settings.threads)
        if processes > 1:
            cost.extra["processes"] = processes
        cost.device, cost.threads = describe(found), settings.threads * processes
        cost.peak_gpu_memory_mb = peak_gpu_memory_mb(found)
        if (held := place()) is not None:
            held.account()
            cost.extra["gpu_share"] = round(held.share, 4)
            cost.energy_joules = None if held.energy is None else round(held.energy, 1)


def undefined_on(data: str | Path, metric: str) -> str:
    """Say why the metric is undefined on the prepared images; empty if it is defined."""
    meta = read_meta(data)
    return undefined(metric, meta.counts, meta.classes)


def _code(task: Task) -> str:
    """Return the fingerprint of the code that runs; a new one each time if a file was edited after the start."""
    if edited_since(time.time() - (time.perf_counter() - nas_steps.STARTED)):
        return f"edited while it ran, {uuid4()}"
    with remembered(Path(task.given.settings).with_name(MODULES)):
        return code_fingerprint(*task.modules())
