"""The largest experiment that is done in the time there is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nas_steps.config.data import Data
from nas_steps.errors import UserError
from nas_steps.start import templates
from nas_steps.start.machine import Machine
from nas_steps.start.photos import Look
from nas_steps.workflow.forecast.forecast import Forecast
from nas_steps.workflow.forecast.images import Images, counted
from nas_steps.workflow.forecast.speeds import Speeds
from nas_steps.workflow.forecast.work import Workload
from nas_steps.workflow.plan import Plan
from nas_steps.workflow.steps import STEPS

#: share of the time that an estimate may fill: it is no promise
FILLED = 0.9


@dataclass
class Chosen:
    """A size, its forecast, and its time in seconds."""

    size: templates.Size
    forecast: Forecast
    seconds: float


class Sizing:
    """Forecasts of experiments on the photos of `look`, by what `machine` measured and `speeds` know."""

    def __init__(self, look: Look, machine: Machine, speeds: Speeds, latency_ms: float | None = None) -> None:
        self.look = look
        self.machine = machine
        self.speeds = speeds
        self.latency_ms = latency_ms

    def choose(self, seconds: float) -> Chosen:
        """Return the largest experiment within `seconds`. Raises UserError if there is none, with the least time."""
        best: Chosen | None = None
        for size in templates.sizes(self.look, self.machine):
            best = self.forecast(size)
            if best.seconds <= FILLED * seconds:
                return best
        assert best is not None  # the table is not empty
        least = round(best.seconds / FILLED / 60 + 0.5)
        given = f"{seconds / 60:.3g} min" if seconds >= 60 else f"{seconds:.3g} s"
        raise UserError(
            f"--time is {given}, too short for {self.look.images:,} photos here; the smallest useful experiment takes "
            f"about {least} min: give --time {least}m or more"
        )

    def forecast(self, size: templates.Size) -> Chosen:
        """Return the forecast of a size, without reading the photos again: an empty folder stands for them."""
        raw = templates.config(size, self.look, self.machine, "start", self.latency_ms)
        with TemporaryDirectory() as folder:
            raw["data"]["path"] = folder
            plan = Plan(raw, "the config that nas_steps.start makes", root=str(Path(folder, "results")), warn=False)
            data = plan.config.data
            assert isinstance(data, Data)
            jobs = [(rule, job) for rule in STEPS for job in plan.jobs(rule)]
            workload = Workload(plan, self.images(data))
            found = Forecast(plan, workload, jobs, self.speeds, self.machine.device, self.machine.slots)
        return Chosen(size, found, found.seconds)

    def images(self, data: Data) -> Images:
        """Return the images of each split, unreadable ones and copies left out."""
        counts: dict[str, Any] = {split: sum(classes.values()) for split, classes in self.look.splits.items()}
        share = len(self.look.unreadable) + self.look.copies + len(self.look.contradictions)
        kept = 1 - share / max(1, self.look.looked)
        counts = {split: round(count * kept) for split, count in counts.items()}
        return counted(data, counts, len(self.look.classes), 3, data.resolution or 32)
