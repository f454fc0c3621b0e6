"""The cost of a step: seconds, processor seconds, peak memory, device; one small JSON file a job."""

import os
import platform
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nas_steps
from nas_steps.provenance.files import write_json


@dataclass
class Cost:
    """One job's line of the ledger. `began` is a Unix time; `import_seconds` are the first part of `seconds`.

    `work_seconds` are those of all attempts without what each took to start the process and to import.
    """

    stage: str
    step: str
    device: str = "cpu"
    threads: int = 1
    began: float = field(default_factory=lambda: time.time() - (time.perf_counter() - nas_steps.STARTED))
    import_seconds: float = field(default_factory=lambda: round(time.perf_counter() - nas_steps.STARTED, 3))
    seconds: float = 0.0
    work_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_mb: float = 0.0
    peak_gpu_memory_mb: float = 0.0
    #: of the device, in this attempt; None if unknown
    energy_joules: float | None = None
    machine: str = field(default_factory=platform.machine)
    attempts: int = 1
    extra: dict[str, Any] = field(default_factory=dict)
    _earlier: dict[str, float] = field(default_factory=dict)
    _loaded: bool = False

    def loaded(self) -> None:
        """Note that the step has imported its modules and begins to work, the first time."""
        if not self._loaded:
            self.import_seconds, self._loaded = round(time.perf_counter() - nas_steps.STARTED, 3), True

    def spent(self) -> dict[str, float]:
        """Return the cost until now, with that of interrupted attempts."""
        usage, before = resource.getrusage(resource.RUSAGE_SELF), self._earlier
        memory = round(usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3), 1)
        seconds = time.perf_counter() - nas_steps.STARTED
        return {
            "seconds": round(seconds + before.get("seconds", 0), 3),
            "work_seconds": round(max(seconds - self.import_seconds, 0) + before.get("work_seconds", 0), 3),
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime + before.get("cpu_seconds", 0), 3),
            "peak_memory_mb": max(memory, before.get("peak_memory_mb", 0)),
            "attempts": int(before.get("attempts", 0)) + 1,
        }

    def add_earlier(self, spent: Mapping[str, float]) -> None:
        """Add the cost of interrupted attempts, as their last checkpoint has it."""
        if spent["seconds"] > self._earlier.get("seconds", 0):
            self._earlier = dict(spent)

    def share_out(self, among: int) -> dict[str, float]:
        """Give all but one of `among` equal shares of what was spent until now to other jobs; return one share.

        Each of them adds it by `add_earlier`. Its number of attempts is 0: they are this job's."""
        spent = self.spent()
        share = {name: spent[name] / among for name in ("seconds", "work_seconds", "cpu_seconds")}
        for name, value in share.items():
            self._earlier[name] = self._earlier.get(name, 0) - (among - 1) * value
        return {**share, "peak_memory_mb": spent["peak_memory_mb"], "attempts": 0}


@contextmanager
def measured(path: str | Path, stage: str, step: str) -> Iterator[Cost]:
    """Measure the process until the end of the block and write the figures to `path`."""
    cost = Cost(stage=stage, step=step)
    yield cost
    if os.environ.get("RANK", "0") != "0":
        return  # the first of several processes that train together reports for all
    figures = {name: value for name, value in asdict(cost).items() if not name.startswith("_")}
    write_json(path, figures | cost.spent())
