"""The seconds of an experiment's jobs, of all together, and in how much time so many cores do them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nas_steps.spaces.cells.space import CellSpace
from nas_steps.workflow.forecast.speeds import (
    IMPORT_SECONDS,
    PLAIN_SECONDS,
    STARTING_SECONDS,
    USUAL_SECONDS,
    Speeds,
    assumed_seconds,
)
from nas_steps.workflow.forecast.work import TRAINING_RULES, Work, Workload
from nas_steps.workflow.plan import Plan

#: rules by what they are for, in the order of a run
STAGES: dict[str, tuple[str, ...]] = {
    "data": ("data", "text", "weights"),
    "search": (
        *(
            "measure_blocks",
            "profile_space",
            "budget",
            "supernet",
            "supernet_statistics",
            "one_shot",
            "propose",
            "screen",
            "evaluate",
        ),
        *("gather_search", "darts", "enas", "fit_surrogate", "replay"),
    ),
    "ranking": (
        *("sample", "train_sample", "score_sample", "score_by_supernet", "screen_sample", "calibrate", "match"),
        *("shortlist", "train_shortlist", "rank", "compare", "rank_in_table"),
    ),
    "final trainings": ("retrain", "retrain_by_recipe", "gather_retraining", "recommend", "gather_recipes", "lookup"),
    "scaling": (
        *("describe_grid", "train_grid", "choose_scaling", "train_member", "gather_family", "describe_designs"),
        *("train_design", "gather_factorial", "train_rung", "gather_rungs"),
    ),
}
OTHERS = "export, report"
#: rules of a run's longest chain; the others wait for nobody or are awaited by nobody
CHAIN = (
    *("data", "weights", "measure_blocks", "budget", "supernet", "one_shot", "match", "shortlist", "train_shortlist"),
    *("rank", "retrain", "gather_retraining", "recommend", "export_networks", "gather_exports", "report", "manifest"),
)


@dataclass
class Total:
    """The jobs of a stage: their work and seconds, and of how many the seconds are measured."""

    jobs: int = 0
    work: Work = field(default_factory=Work)
    seconds: float = 0.0
    measured: float = 0.0

    def __add__(self, other: Total) -> Total:
        return Total(
            self.jobs + other.jobs, self.work + other.work, self.seconds + other.seconds, self.measured + other.measured
        )


class Forecast:
    """The seconds of some jobs of a plan, given as (rule, wildcards), on a device with so many cores or GPUs.

    `slots` is the number of trainings at once. `speeds` are those that were measured here.
    """

    def __init__(
        self,
        plan: Plan,
        workload: Workload,
        jobs: Iterable[tuple[str, Mapping[str, Any]]],
        speeds: Speeds,
        device: str = "cpu",
        slots: int = 1,
    ) -> None:
        self.plan = plan
        self.workload = workload
        self.speeds = speeds
        self.device = device
        self.slots = max(1, slots)
        self.networks = networks_of(workload)
        self.stages: dict[str, Total] = {}
        longest: dict[str, float] = {}
        rounds: dict[tuple[str, str], float] = {}
        for rule, wildcards in jobs:
            if rule == "all":
                continue
            one = self.of(rule, wildcards)
            stage = next((name for name, rules in STAGES.items() if rule in rules), OTHERS)
            self.stages[stage] = self.stages.get(stage, Total()) + one
            longest[rule] = max(longest.get(rule, 0.0), one.seconds)
            if rule in ("propose", "evaluate", "darts", "enas", "screen"):
                search = (str(wildcards.get("strategy")), str(wildcards.get("seed")))
                share = 1 / self.plan.config.shards if rule == "evaluate" else 1.0
                rounds[search] = rounds.get(search, 0.0) + one.seconds * share
        self.stages = {name: self.stages[name] for name in (*STAGES, OTHERS) if name in self.stages}
        self.total = sum(self.stages.values(), Total())
        self.chain = sum(longest.get(rule, 0.0) for rule in CHAIN) + max(rounds.values(), default=0.0)

    @property
    def seconds(self) -> float:
        """The time until the end: no job waits for nothing, and nothing is faster than the longest chain of jobs."""
        return max(self.total.seconds / self.slots, self.chain)

    @property
    def measured(self) -> float:
        """The share of the seconds that is predicted from measured ones."""
        return self.total.measured / self.total.seconds if self.total.seconds else 0.0

    def of(self, rule: str, wildcards: Mapping[str, Any]) -> Total:
        """Return the forecast of one job."""
        work = self.workload.of(rule, wildcards)
        threads = self.plan.config.threads if rule in TRAINING_RULES else 1
        speed = self.speeds.of(rule, self.plan.config.experiment, self.networks, self.device, threads)
        assumed = assumed_seconds(work)
        if speed is not None:
            own = assumed * speed.factor if speed.assumed > 0 else speed.work_seconds / speed.jobs
            seconds = STARTING_SECONDS + speed.import_seconds / speed.jobs + own
            return Total(1, work, seconds, 0.0 if speed.of_a_probe else seconds)
        if rule in TRAINING_RULES:
            starting = IMPORT_SECONDS if assumed > 0 else PLAIN_SECONDS
            return Total(1, work, STARTING_SECONDS + starting + assumed / threads**0.5)
        return Total(1, work, STARTING_SECONDS + USUAL_SECONDS.get(rule, PLAIN_SECONDS) + assumed)


def networks_of(workload: Workload) -> str:
    """Return what the networks of an experiment are made of."""
    return "cells" if isinstance(workload.sizes.space, CellSpace) else "mobile"
