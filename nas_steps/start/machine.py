"""The machine that is going to search: cores, GPUs, pretrained weights, seconds of a training step."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from nas_steps.config.weights import installed
from nas_steps.errors import UserError
from nas_steps.facts import WEIGHTS_PACKAGES
from nas_steps.spaces.costs import Shape
from nas_steps.spaces.mobile.architectures import parse_mobile
from nas_steps.spaces.mobile.costs import count_architecture
from nas_steps.spaces.mobile.efficientnet import LITE0
from nas_steps.workflow.forecast.speeds import PROBE, Speed, assumed_seconds
from nas_steps.workflow.forecast.work import TRAINING, Work
from nas_steps.workflow.machine import cores, count_gpus

#: photos of a step
BATCH = 32
#: seconds that the measurement may take, imports aside
SECONDS = 8.0
#: processes that measure at once: as many train at once later, and slow each other down
MOST = 4


@dataclass
class Machine:
    """What trains. `steps` are the seconds of a training step of EfficientNet-Lite0 by side, all cores at work."""

    cores: int
    gpus: int
    pretrained: bool
    steps: dict[int, float] = field(default_factory=dict)
    import_seconds: float = 0.0

    @property
    def device(self) -> str:
        return "cuda" if self.gpus else "cpu"

    @property
    def slots(self) -> int:
        """The trainings that run at once."""
        return self.gpus or self.cores

    def speeds(self) -> list[Speed]:
        """Return the measured steps as speeds, for estimates of time."""
        found = []
        for side, seconds in self.steps.items():
            macs = count_architecture(parse_mobile(LITE0), Shape(3, side, 10))[1]
            work = Work(macs=TRAINING * BATCH * macs, batches=1)
            found.append(
                Speed(
                    f"{PROBE} {side}",
                    "",
                    "mobile",
                    self.device,
                    threads=1,
                    jobs=1,
                    assumed=assumed_seconds(work),
                    work_seconds=seconds,
                    import_seconds=self.import_seconds,
                    at=time.time(),
                )
            )
        return found


def look(sides: Sequence[int], measure: bool = True) -> Machine:
    """Look at this machine, and measure training steps at the resolutions `sides`."""
    found = Machine(cores(), count_gpus(), installed("lite0"))
    return _measured(found, sides) if measure else found


def _measured(machine: Machine, sides: Sequence[int]) -> Machine:
    """Measure in as many processes as train at once. Raises UserError if one fails, with its last line."""
    words = [LITE0, machine.device, str(BATCH), str(SECONDS), *map(str, sorted(sides))]
    command = [sys.executable, "-m", "nas_steps.start.probe", *words]
    count = 1 if machine.gpus else min(MOST, machine.cores)
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(count)
    ]
    results = []
    for process in running:
        output, errors = process.communicate()
        if process.returncode:
            last = (errors.strip().splitlines() or ["no word"])[-1]
            raise UserError(f"no training step can be measured on this machine: {last}; is torch installed here?")
        results.append(json.loads(output.splitlines()[-1]))
    machine.import_seconds = sum(one["import_seconds"] for one in results) / len(results)
    for side in results[0]["steps"]:
        measured = [one["steps"][side] for one in results if side in one["steps"]]
        machine.steps[int(side)] = sum(measured) / len(measured)
    return machine


def missing_package() -> str:
    """Return the package that brings the pretrained weights."""
    return WEIGHTS_PACKAGES["lite0"]
