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
from nas_steps.training.progress import Progress

if TYPE_CHECKING:  # torch is loaded only if there is something to score
    from nas_steps.training.checkpoint import Checkpoint
    from nas_steps.training.job import Job

ESTIMATORS = "nas_steps.estimation.estimators"


@dataclass(frozen=True)
class Shard:
    """The context of an estimator. The scores are for `stage`, search or ranking; `seed` is the repetition."""

    settings: EstimationSettings
    data: str
    stage: str
    seed: int
    job: Job

    def seed_of(self, architecture: str, repetition: int = 0) -> int:
        """Derive an architecture's seed from the stage, the seed and the architecture alone.

        So it depends neither on the shard nor on the round nor on the strategy that proposed it.
        """
        more = (repetition,) if repetition else ()
        return derive_seed(self.settings.seed, self.stage, self.seed, architecture, *more)


class Estimator(Protocol):
    """Scores one architecture at a time. An estimate depends on the proposal and on the `Shard` alone."""

    def units(self, proposal: Proposal) -> int:
        """Count a proposal's units of progress: epochs, or 1."""

    def __call__(self, proposal: Proposal, progress: Progress, checkpoint: Checkpoint) -> Estimate:
        """Score a proposal. A training that fails is an estimate with a reason, not an exception."""


def estimates_of(shard: Shard, proposals: Sequence[Proposal], root: Path) -> list[Estimate]:
    """Score all proposals, in their order. Those in the cache below `root` are looked up; an interrupted attempt goes
    on after the last architecture that it finished."""
    estimator: Estimator = of_kind(ESTIMATORS, shard.settings.estimator.kind).estimator(shard)
    cache = EstimateCache(root, shard.job.identity() | {"stage": shard.stage, "seed": shard.seed})
    finished = shard.job.finished("estimates")
    estimates = [Estimate(**row) for row in finished.rows]
    looked_up: list[Estimate] = []
    with Progress(sum(map(estimator.units, proposals)), f"{len(proposals)} architectures") as progress:
        progress.resume(sum(map(estimator.units, proposals[: len(estimates)])))
        for proposal in proposals[len(estimates) :]:
            checkpoint = shard.job.checkpoints.of(f"architecture-{proposal.index}")
            estimate = cache.get(proposal)
            if estimate is not None:
                looked_up.append(estimate)
                progress.skip(estimator.units(proposal))
            else:
                estimate = estimator(proposal, progress, checkpoint)
                cache.put(proposal, estimate)
            estimates.append(estimate)
            finished.add(asdict(estimate), of=checkpoint)
    if looked_up:
        seconds = round(sum(one.seconds for one in looked_up), 3)
        shard.job.cost.extra |= {"looked_up": len(looked_up), "looked_up_seconds": seconds}
        print(f"{len(looked_up)} of {len(proposals)} were known from before ({seconds:g} s of training)", flush=True)
    return estimates
