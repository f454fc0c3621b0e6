"""Estimate the cost of jobs by that of earlier ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path

from nas_steps.provenance.files import read_json
from nas_steps.workflow.plan import Plan
from nas_steps.workflow.why.jobs import Job


@dataclass(frozen=True)
class Estimate:
    """Seconds of some jobs: `same` of them by their own earlier run, `like` by the mean of their rule's others.

    No job like the `unknown` was measured; the `unmeasured` only gather and leave no line in the ledger.
    """

    seconds: float = 0.0
    same: int = 0
    like: int = 0
    unknown: int = 0
    unmeasured: int = 0

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))

    def __str__(self) -> str:
        known = self.same + self.like
        parts = []
        if known:
            parts.append(("about " if self.like else "") + spelled(self.seconds))
        if self.unknown:
            parts.append(f"unknown for {self.unknown}" if known else "unknown")
        return " + ".join(parts) or "seconds"


class Ledger:
    """The cost.json files of earlier runs of one experiment."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @cached_property
    def seconds(self) -> dict[str, list[float]]:
        """Return the seconds of each measured job, by rule."""
        found: dict[str, list[float]] = {}
        files = [(made.rule, file) for made in self.plan.made() for file in made.files if is_cost(file)]
        data = Path(self.plan.data_folder)
        files += [("data", path.as_posix()) for path in data.parent.glob(f"{data.name.rpartition('-')[0]}-*/cost.json")]
        for rule, file in files:
            if Path(file).is_file():
                found.setdefault(rule, []).append(float(read_json(file)["seconds"]))
        return found

    def estimate(self, jobs: Iterable[Job]) -> Estimate:
        """Estimate the cost of some jobs together."""
        return sum(map(self._one, jobs), Estimate())

    def _one(self, job: Job) -> Estimate:
        file = next((Path(name) for name in job.output if is_cost(name)), None)
        if file is None:
            return Estimate(unmeasured=1)
        if file.is_file():
            return Estimate(float(read_json(file)["seconds"]), same=1)
        others = self.seconds.get(job.rule)
        return Estimate(sum(others) / len(others), like=1) if others else Estimate(unknown=1)


def is_cost(file: str) -> bool:
    return file.endswith("cost.json")


def spelled(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes = whole // 60
    return f"{minutes} min {whole % 60} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
