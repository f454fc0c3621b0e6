"""How far a run is: its jobs by stage, those that run, those that failed, the time left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nas_steps.workflow.forecast.forecast import OTHERS, STAGES
from nas_steps.workflow.why.costs import spelled

#: no time is predicted before this share of the work is done
SURE = 0.05

#: a rule and its wildcards
Key = tuple[str, tuple[tuple[str, str], ...]]


def key_of(rule: str, wildcards: Mapping[str, Any]) -> Key:
    """Return what tells a job from the others."""
    return rule, tuple(sorted((name, str(value)) for name, value in wildcards.items()))


def stage_of(rule: str) -> str:
    """Return the stage of a rule; the last one has all that is in no other."""
    return next((name for name, rules in STAGES.items() if rule in rules), OTHERS)


@dataclass
class Job:
    """A job that Snakemake has begun, at `since` in Unix seconds."""

    rule: str
    wildcards: Mapping[str, Any]
    logs: list[str]
    since: float
    outputs: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """`evaluate strategy random seed 0`."""
        return " ".join([self.rule, *(f"{name} {value}" for name, value in self.wildcards.items())])

    def told(self) -> dict[str, Any]:
        """Return what others are told of it."""
        return {"job": str(self), "logs": self.logs, "since": self.since}


@dataclass
class Progress:
    """How far a run is. `expected` are the seconds that jobs were thought to take; only their ratios count."""

    began: float = field(default_factory=time.time)
    planned: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    running: dict[int, Job] = field(default_factory=dict)
    failed: list[Job] = field(default_factory=list)
    expected: dict[Key, float] = field(default_factory=dict)
    spent: float = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.time() - self.began

    def plan(self, stats: Mapping[str, int]) -> None:
        """Take the numbers of jobs by rule; `all` and `total` are none."""
        counts: Counter[str] = Counter()
        for rule, count in stats.items():
            if rule not in ("all", "total"):
                counts[stage_of(rule)] += count
        self.planned = Counter({name: counts[name] for name in (*STAGES, OTHERS) if counts[name]})

    def expect(self, jobs: Iterable[tuple[str, Mapping[str, Any], float]]) -> None:
        """Take the seconds that jobs are thought to take: rule, wildcards, seconds."""
        self.expected = {key_of(rule, wildcards): seconds for rule, wildcards, seconds in jobs}

    def finish(self, job: Job) -> str:
        """Count a job as done; return the stage that it has ended, if it was the last one of it."""
        stage = stage_of(job.rule)
        self.done[stage] += 1
        self.spent += self.expected.get(key_of(job.rule, job.wildcards), 0.0)
        return stage if self.done[stage] == self.planned[stage] else ""

    def fail(self, jobid: int, job: Job) -> Job:
        """Count a job as failed; `job` stands for one that is not known."""
        job = self.running.pop(jobid, job)
        self.failed.append(job)
        return job

    def left(self) -> float | None:
        """Return the seconds left if the rest goes on as it went so far; None while that is unknown."""
        whole = sum(self.expected.values())
        share = self.spent / whole if whole else self.done.total() / max(1, self.planned.total())
        return self.elapsed * (1 - share) / share if SURE <= share < 1 else None

    def told(self, **more: Any) -> dict[str, Any]:
        """Return what others are told, as JSON has it."""
        return {
            "began": self.began,
            "now": time.time(),
            "left": self.left(),
            "stages": {name: [self.done[name], count] for name, count in self.planned.items()},
            "running": [job.told() for job in self.running.values() if job.rule != "all"],
            "failed": [job.told() for job in self.failed],
            **more,
        }


def in_words(left: float | None) -> str:
    """Return `, about 3 min 20 s left`, or nothing if that is unknown or no time at all."""
    return "" if left is None or left < 1 else f", about {spelled(left)} left"
