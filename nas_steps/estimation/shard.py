"""One job's share of a round: read the proposals, score them, write the estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nas_steps.estimation.cache import EstimateCache
from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.proposals import Proposal
from nas_steps.estimation.settings import EstimationSettings
from nas_steps.provenance.kinds import of_kind
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.training.progress import Progress

if TYPE_CHECKING:  # torch is loaded where there is something to score
    from nas_steps.training.checkpoint import Checkpoint
    from nas_steps.training.job import Job


@dataclass(frozen=True)
class Shard:
    """What an estimator is made from. `stage` is whom the scores are for, `seed` the repetition."""

    step: EstimationSettings
    data: str
    stage: str
    seed: int
    job: Job

    def seed_of(self, architecture: str, repetition: int = 0) -> int:
        """What an architecture's random numbers come from: the stage, the seed and the architecture alone, not the
        shard, the round or the strategy that proposed it."""
        more = (repetition,) if repetition else ()
        return derive_seed(self.step.seed, self.stage, self.seed, architecture, *more)


class Estimator(Protocol):
    """Scores one architecture at a time. What it answers depends on the proposal and on `Shard` alone."""

    def units(self, proposal: Proposal) -> int:
        """How much progress a proposal makes: epochs, or 1."""

    def __call__(self, proposal: Proposal, progress: Progress, checkpoint: Checkpoint) -> Estimate:
        """Score a proposal. Whatever is wrong with the architecture is a status with a reason, not an exception."""


def estimate_shard(
    task: Task, settings: EstimationSettings, proposals: Sequence[Proposal], job: Job, stage: str, seed: int
) -> list[Estimate]:
    """Return the estimates of this job's share of the proposals, by the estimator of the settings."""
    # the settings lie in results/settings
    root = Path(task.given.settings).resolve().parent.parent
    known = EstimateCache(root, job.identity() | {"stage": stage, "seed": seed})
    kind = of_kind("nas_steps.estimation.estimators", settings.estimator.kind)
    return estimate(proposals, kind.estimator(Shard(settings, task.data, stage, seed, job)), known, job)


def estimate(proposals: Sequence[Proposal], estimator: Estimator, known: EstimateCache, job: Job) -> list[Estimate]:
    """The estimates of all proposals, in their order. Those that are known are looked up; what an interrupted attempt
    has finished is not done again."""
    finished = job.finished("estimates")
    found = [Estimate(**row) for row in finished.rows]
    looked_up: list[Estimate] = []
    with Progress(sum(map(estimator.units, proposals)), f"{len(proposals)} architectures") as progress:
        progress.resume(sum(map(estimator.units, proposals[: len(found)])))
        for proposal in proposals[len(found) :]:
            checkpoint = job.checkpoints.of(f"architecture-{proposal.index}")
            one = known.get(proposal)
            if one is not None:
                looked_up.append(one)
                progress.skip(estimator.units(proposal))
            else:
                one = estimator(proposal, progress, checkpoint)
                known.put(proposal, one)
            found.append(one)
            finished.add(asdict(one), of=checkpoint)
    if looked_up:
        seconds = round(sum(one.seconds for one in looked_up), 3)
        job.cost.extra |= {"looked_up": len(looked_up), "looked_up_seconds": seconds}
        print(f"{len(looked_up)} of {len(proposals)} were known from before ({seconds:g} s of training)", flush=True)
    return found
