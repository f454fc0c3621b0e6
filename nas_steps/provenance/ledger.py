"""What a step cost: seconds, processor seconds, peak memory, device; one small JSON file a job."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nas_steps import STARTED
from nas_steps.provenance.files import write_json


@dataclass
class Cost:
    """One job's line of the ledger. `device` and `extra` are filled in by the step."""

    stage: str
    step: str
    device: str = "cpu"
    threads: int = 1
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_mb: float = 0.0
    peak_gpu_memory_mb: float = 0.0
    machine: str = field(default_factory=platform.machine)
    extra: dict[str, Any] = field(default_factory=dict)


@contextmanager
def measured(path: str | Path, stage: str, step: str) -> Iterator[Cost]:
    """Measure the process from its start to the end of the block and write the figures to `path`."""
    cost = Cost(stage=stage, step=step)
    yield cost
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cost.seconds = round(time.perf_counter() - STARTED, 3)
    cost.cpu_seconds = round(usage.ru_utime + usage.ru_stime, 3)
    cost.peak_memory_mb = round(usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3), 1)
    write_json(path, asdict(cost))
