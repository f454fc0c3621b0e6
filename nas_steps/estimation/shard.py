"""One job's share of a round: read the proposals, score them, write the estimates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nas_steps.config.settings import EstimationSettings, read_settings
from nas_steps.estimation.cache import EstimateCache
from nas_steps.estimation.estimates import Estimate, write_estimates
from nas_steps.estimation.proposals import Proposal, read_proposals
from nas_steps.provenance.files import canonical_json
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.steps import parser, training_options
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
    module: str, name: str, description: str, arguments: Sequence[str], make: Callable[[Shard], Estimator]
) -> None:
    """The step `module` (of Python name `name`): score this job's share of the proposals by the estimator of `make`."""
    options = parser(module, description)
    training_options(options)
    options.add_argument("--proposals", required=True, help="CSV with index and architecture")
    options.add_argument("--stage", required=True, choices=["search", "ranking"], help="whom the scores are for")
    options.add_argument("--ledger", help="whom the cost is for, where that is another stage")
    options.add_argument("--seed", type=int, required=True, help="which repetition this is: 0, 1, ...")
    options.add_argument("--shard", type=int, required=True, help="this job's share of the proposals: 0, 1, ...")
    options.add_argument("--shards", type=int, required=True, help="number of shares")
    options.add_argument("--output", required=True, help="CSV of estimates")
    options.add_argument("--cost", required=True, help="JSON of what it cost")
    given = options.parse_args(arguments)
    step = read_settings(given.settings, EstimationSettings)
    with measured(given.cost, given.ledger or given.stage, f"evaluate {given.output}") as cost:
        mine = [one for one in read_proposals(given.proposals) if one.index % given.shards == given.shard]
        if not mine:
            write_estimates(given.output, [])
            cost.device = ""  # none was used
            return
        from nas_steps.training.job import training_job

        with training_job(
            name,
            step,
            given.output,
            cost,
            settings=given.settings,
            data=given.data,
            device=given.device,
            stage=given.stage,
            proposals=canonical_json([asdict(one) for one in mine]),
            seed=given.seed,
        ) as job:
            # the settings lie in results/settings
            root = Path(given.settings).resolve().parent.parent
            known = EstimateCache(root, job.identity() | {"stage": given.stage, "seed": given.seed})
            estimator = make(Shard(step, given.data, given.stage, given.seed, job))
            write_estimates(given.output, estimate(mine, estimator, known, job))


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
